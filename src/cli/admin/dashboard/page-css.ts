/** The dashboard's look, light and dark. Each series has one colour, the same wherever it is shown. */
export const CSS = `
:root {
  --ground: #f5f6f8; --card: #ffffff; --ink: #16202c; --soft: #56616f; --line: #dfe3e8; --grid: #eceff2; --well: #f5f6f8;
  --idle: #0a7d55; --inUse: #b45309; --waiting: #be185d; --capacity: #6b7480; --connecting: #9aa3ae;
  --visits: #1d4ed8; --toVisitors: #0e7490; --fromVisitors: #7c3aed; --p50: #7a8696; --p99: #334155; --errors: #c81e1e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0e1217; --card: #161b22; --ink: #e4e9ef; --soft: #95a1af; --line: #29313b; --grid: #212831; --well: #10151b;
    --idle: #3cc78a; --inUse: #eda04d; --waiting: #f178b2; --capacity: #8a95a3; --connecting: #5d6875;
    --visits: #7ea6ff; --toVisitors: #3dbfd9; --fromVisitors: #b596f7; --p50: #8592a3; --p99: #dbe2ea; --errors: #ff7d75;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body {
  margin: 0; background: var(--ground); color: var(--ink);
  font: 14px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums; -webkit-text-size-adjust: 100%;
}
header, main { max-width: 1640px; margin: 0 auto; padding: 0 20px; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 16px; padding-top: 18px; padding-bottom: 14px; }
h1 { font-size: 17px; font-weight: 650; letter-spacing: -.01em; margin: 0; }
h1 span { color: var(--soft); font-weight: 400; }
h2 { font-size: 13px; font-weight: 600; margin: 0; }
h3 { font-size: 13px; font-weight: 600; margin: 0; }
p { margin: 0; }
#facts { color: var(--soft); flex: 1 1 12rem; }
#state { display: inline-flex; align-items: center; gap: 7px; color: var(--soft); }
#state::before { content: ""; width: 8px; height: 8px; border-radius: 50%; background: var(--connecting); }
#state[data-state="live"]::before { background: var(--idle); }
#state[data-state="stale"] { color: var(--errors); font-weight: 600; }
#state[data-state="stale"]::before { background: var(--errors); }
body.stale #tunnels { opacity: .55; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 12px 14px; min-width: 0; }
.tunnel { margin: 0 0 28px; }
.tunnel > .title { display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 12px; margin: 0 0 10px; }
.tunnel > .title h2 { font-size: 15px; }
.tunnel > .title p { color: var(--soft); }

/* The pair */
.picture { display: grid; grid-template-columns: minmax(7.5rem, .8fr) 2.25rem minmax(12.75rem, 1.3fr) minmax(14rem, 4fr) minmax(12.75rem, 1.3fr) 2.25rem minmax(7.5rem, .8fr); align-items: stretch; margin-bottom: 12px; }
.stop { border: 1px solid var(--line); border-radius: 8px; background: var(--card); padding: 10px 12px; min-width: 0; }
.stop.here { border-color: var(--soft); }
.stop h3 { display: flex; justify-content: space-between; gap: 8px; }
.stop h3 small { font-size: 11px; font-weight: 400; color: var(--soft); }
.stop .big { color: var(--ink); font-weight: 600; font-size: 24px; line-height: 1.25; letter-spacing: -.02em; }
.stop .big small { font-size: 13px; font-weight: 400; letter-spacing: 0; color: var(--soft); margin-left: 5px; }
.stop p { color: var(--soft); font-size: 12.5px; overflow-wrap: anywhere; white-space: pre-line; }
.wire { position: relative; }
.wire::before { content: ""; position: absolute; left: 3px; right: 10px; top: 50%; border-top: 1.5px solid var(--soft); }
.wire::after { content: ""; position: absolute; right: 4px; top: 50%; width: 0; height: 0; transform: translateY(calc(-50% + .75px)); border: 4.5px solid transparent; border-left: 7px solid var(--soft); border-right: 0; }
.pool { margin: 0 -1px; border-top: 1px solid var(--line); border-bottom: 1px solid var(--line); background: var(--well); padding: 10px 16px; display: flex; flex-direction: column; justify-content: center; gap: 8px; align-self: stretch; }
.pool .lanes { display: flex; flex-wrap: wrap; gap: 3px; min-height: 12px; }
.pool .lanes i { flex: 0 0 12px; height: 12px; border-radius: 3px; background: var(--idle); }
.pool .lanes i.inUse { background: var(--inUse); }
.pool .lanes i.connecting { background: none; border: 1.5px dashed var(--connecting); }
.pool .lanes i.lacking { background: none; border: 1.5px solid var(--line); }
.pool .bar { display: flex; height: 12px; border-radius: 3px; overflow: hidden; background: var(--line); gap: 1px; }
.pool .bar i { background: var(--idle); }
.pool .bar i.inUse { background: var(--inUse); }
.pool .bar i.connecting { background: var(--connecting); }

.legend { display: flex; flex-wrap: wrap; gap: 1px 14px; margin: 0; color: var(--soft); font-size: 12.5px; }
.legend div { display: inline-flex; align-items: center; gap: 6px; white-space: nowrap; }
.legend dt { display: inline-flex; align-items: center; gap: 6px; }
.legend dt::before { content: ""; width: 9px; height: 3px; border-radius: 2px; background: var(--color); }
.legend dt.dashed::before { background: linear-gradient(90deg, var(--color) 0 3px, transparent 3px 6px, var(--color) 6px); }
.legend dd { margin: 0; color: var(--ink); font-weight: 600; }

/* Charts */
.charts { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 12px; margin-bottom: 12px; }
@media (max-width: 1100px) { .charts { grid-template-columns: repeat(2, minmax(0, 1fr)); } }
@media (max-width: 640px) { .charts { grid-template-columns: minmax(0, 1fr); } }
.chart { display: flex; flex-direction: column; justify-content: space-between; }
.chart .head { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 2px 14px; margin-bottom: 6px; }
.chart .plot { height: 148px; }
.counts { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 1px 18px; margin: 8px 0 0; }
.counts div { display: flex; justify-content: space-between; gap: 10px; border-bottom: 1px solid var(--grid); padding: 2.5px 0; min-width: 0; }
.counts dt { color: var(--soft); overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.counts dd { margin: 0; }
.counts .bad dd { color: var(--errors); font-weight: 600; }
.uplot { font-family: inherit; }
.u-over { cursor: crosshair; }
.u-cursor-pt { pointer-events: none; }

/* Tables */
.tables { display: grid; gap: 12px; }
@media (min-width: 1100px) { .tables.two { grid-template-columns: 2fr 1fr; } }
.scroll { overflow-x: auto; margin: 6px -14px -4px; padding: 0 14px; }
.scroll:focus-visible, button:focus-visible, input:focus-visible { outline: 2px solid var(--visits); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: right; padding: 5px 0 5px 16px; white-space: nowrap; border-bottom: 1px solid var(--grid); }
tbody tr:last-child td, tbody tr:last-child th { border-bottom: 0; }
thead th { color: var(--soft); font-weight: 400; font-size: 12.5px; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tbody th { font-weight: 600; max-width: 22rem; overflow: hidden; text-overflow: ellipsis; }
td.good { color: var(--idle); } td.bad { color: var(--errors); font-weight: 600; } td.soft { color: var(--soft); }
.none { color: var(--soft); margin-top: 6px; }

#notes { margin-bottom: 28px; }
#note-list { list-style: none; margin: 6px 0 0; padding: 0; max-height: 17rem; overflow-y: auto; }
#note-list li { display: grid; grid-template-columns: 5.2rem 1fr; gap: 0 10px; padding: 3px 0; border-bottom: 1px solid var(--grid); overflow-wrap: anywhere; }
#note-list li:last-child { border-bottom: 0; }
#note-list time, #note-list small { color: var(--soft); }
#note-list small { font-size: 12.5px; }
#note-list .warn b { color: var(--inUse); font-weight: 600; }
#note-list .error b { color: var(--errors); font-weight: 600; }
#note-list b { font-weight: 400; }
#login { display: grid; gap: 8px; max-width: 22rem; margin: 12vh auto; }
#login input, #login button { font: inherit; padding: 7px 10px; border: 1px solid var(--soft); border-radius: 6px; background: var(--card); color: var(--ink); }
#login button { background: var(--ink); color: var(--card); border-color: var(--ink); cursor: pointer; }

@media (max-width: 1000px) {
  header, main { padding-left: 12px; padding-right: 12px; }
  .picture { grid-template-columns: 1fr; }
  .wire { height: 20px; }
  .wire::before { left: 50%; right: auto; top: 2px; bottom: 8px; border-top: 0; border-left: 1.5px solid var(--soft); }
  .wire::after { top: auto; bottom: 2px; left: 50%; transform: translateX(calc(-50% + .75px)); border: 4.5px solid transparent; border-top: 7px solid var(--soft); border-bottom: 0; }
  .pool { margin: -1px 14px; border: 0 solid var(--line); border-width: 0 1px; }
  .stop .big { font-size: 20px; }
}
@media (prefers-reduced-motion: no-preference) {
  .pool .bar i { transition: flex-grow .3s; }
}
@media (forced-colors: active) { .pool i, .legend dt::before { forced-color-adjust: none; } }
`;
