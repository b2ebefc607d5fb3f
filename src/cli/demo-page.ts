/** The page behind `poold demo`: self-contained, light and dark, and its numbers come through the tunnel. */
export const DEMO_PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>poold demo</title>
<style>
  :root { --ink: #1d2733; --soft: #5b6875; --line: #d8dee5; --ground: #f7f9fb; --card: #fff; --idle: #2f9e6e; --use: #d9822b; }
  @media (prefers-color-scheme: dark) {
    :root { --ink: #e6ebf0; --soft: #94a1ae; --line: #2f3943; --ground: #14191f; --card: #1c232b; --idle: #46c08c; --use: #eaa04d; }
  }
  body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
  main { max-width: 42rem; margin: 0 auto; padding: 3rem 1.25rem; }
  h1 { font-size: 1.6rem; margin: 0 0 .25rem; }
  p { color: var(--soft); margin: 0 0 1.75rem; }
  ol.way { display: flex; flex-wrap: wrap; gap: .5rem; list-style: none; padding: 0; margin: 0 0 1.75rem; }
  ol.way li { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .4rem .75rem; }
  ol.way li + li::before { content: "→ "; color: var(--soft); }
  #pool { display: flex; flex-wrap: wrap; gap: .3rem; min-height: 1.1rem; margin: 0 0 1.75rem; }
  #pool i { width: 1.1rem; height: 1.1rem; border-radius: .25rem; background: var(--idle); }
  #pool i.use { background: var(--use); }
  dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); gap: .75rem; margin: 0 0 1.75rem; }
  dl div { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .9rem; }
  dt { color: var(--soft); font-size: .85rem; }
  dd { margin: 0; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
</style>
<main>
  <h1>This page came through the tunnel</h1>
  <p>Each request takes a connection that was ready before you asked, and gives it back.</p>
  <ol class="way"><li>your browser</li><li>poold server</li><li>pooled TLS connection</li><li>poold client</li><li>this page</li></ol>
  <div id="pool" role="img" aria-label="pooled connections"></div>
  <dl>
    <div><dt>idle</dt><dd id="idle">–</dd></div>
    <div><dt>in use</dt><dd id="inUse">–</dd></div>
    <div><dt>visits</dt><dd id="visits">–</dd></div>
    <div><dt>handshakes</dt><dd id="created">–</dd></div>
    <div><dt>round trip, ms</dt><dd id="trip">–</dd></div>
  </dl>
  <p id="state" role="status"></p>
</main>
<script>
  const by = (id) => document.getElementById(id);
  async function refresh() {
    const started = performance.now();
    try {
      const stats = await (await fetch('/stats', { cache: 'no-store' })).json();
      by('trip').textContent = (performance.now() - started).toFixed(1);
      for (const name of ['idle', 'inUse', 'visits', 'created']) by(name).textContent = stats[name];
      const squares = [];
      for (let n = 0; n < Math.min(stats.idle + stats.inUse, 256); n += 1) {
        const square = document.createElement('i');
        if (n < stats.inUse) square.className = 'use';
        squares.push(square);
      }
      by('pool').replaceChildren(...squares);
      by('state').textContent = '';
    } catch {
      by('state').textContent = 'The demo has ended.';
    }
    setTimeout(refresh, 1000);
  }
  refresh();
</script>
</html>
`;
