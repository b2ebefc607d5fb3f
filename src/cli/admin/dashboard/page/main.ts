/** The dashboard: reads events for as long as the page is open, and shows them. */
import type { Note, StatusReport } from '../../report.ts';
import { BalanceView } from './balance-view.ts';
import { byId, make, setText } from './dom.ts';
import { bytesText, numberText, spanText } from '../../format.ts';
import { sumOf } from './history.ts';
import { readEvents } from './stream.ts';
import { TunnelView } from './tunnel-view.ts';

/** How many events are listed. */
const MAX_NOTES = 50;

const views = new Map<string, TunnelView>();
let balancer: BalanceView | undefined;
let lastAt = 0;

function showState(state: 'live' | 'stale', text: string): void {
  const element = byId('state');
  element.dataset['state'] = state;
  setText(element, text);
  document.body.classList.toggle('stale', state === 'stale');
}

function showStatus(report: StatusReport): void {
  const at = Date.parse(report.at);
  lastAt = Date.now();
  showState('live', report.ready ? 'live' : `live, not ready: ${report.reason}`);
  setText(byId('role'), report.role);
  document.title = `poold ${report.role}`;
  const memory = report.processes.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
  const busy = Math.max(0, ...report.processes.map((one) => one.busy));
  const facts = [
    `version ${report.poold}`,
    `up for ${spanText(at - Date.parse(report.startedAt))}`,
    ...(report.processes.length > 1 ? [`${report.processes.length} processes`] : []),
    `${bytesText(memory)} of memory`,
    `event loop ${Math.round(busy * 100)} % busy`,
  ];
  const failed = report.listeners.reduce((sum, { handshakesFailed }) => sum + sumOf(handshakesFailed), 0);
  if (failed > 0) facts.push(`${numberText(failed)} connections turned away`);
  setText(byId('facts'), facts.join(' · '));
  const keys = new Set<string>();
  for (const snapshot of report.tunnels) {
    const key = JSON.stringify([snapshot.tunnel, snapshot.side, snapshot.flow]);
    keys.add(key);
    let view = views.get(key);
    if (view === undefined) {
      view = new TunnelView(snapshot);
      views.set(key, view);
      byId('tunnels').append(view.element);
    }
    view.show(at, snapshot);
  }
  for (const snapshot of report.balancers ?? []) {
    if (balancer === undefined) byId('tunnels').append((balancer = new BalanceView()).element);
    balancer.show(at, snapshot);
  }
  for (const [key, { element }] of views) {
    if (keys.has(key)) continue;
    element.remove();
    views.delete(key);
  }
}

const noted = new Set<string>();

function showNote(note: Note): void {
  // After a reconnect the latest come once more.
  const key = JSON.stringify(note);
  if (noted.has(key)) return;
  noted.add(key);
  byId('notes').hidden = false;
  const list = byId('note-list');
  const time = make('time', { datetime: note.at }, new Date(note.at).toLocaleTimeString('en-GB'));
  const detail = Object.entries(note.fields).map(([name, value]) => `${name} ${textOf(value)}`);
  const text = make('div', {}, make('b', {}, note.text), ' ', make('small', {}, detail.join(', ')));
  list.prepend(make('li', { class: note.level }, time, text));
  while (list.childElementCount > MAX_NOTES) list.lastElementChild?.remove();
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

/** Shows the form, and resolves with what is typed there. */
function askToken(): Promise<string> {
  const form = byId('login') as HTMLFormElement;
  const input = byId('token') as HTMLInputElement;
  form.hidden = false;
  input.focus();
  return new Promise((resolve) => {
    const submit = (event: Event): void => {
      event.preventDefault();
      form.hidden = true;
      resolve(input.value);
      input.value = '';
    };
    form.addEventListener('submit', submit, { once: true });
  });
}

void readEvents({
  onStatus: showStatus,
  onNote: showNote,
  onLost: (reason) => {
    const since = lastAt === 0 ? '' : `, last heard ${new Date(lastAt).toLocaleTimeString('en-GB')}`;
    showState('stale', `stale: ${reason}${since}; connecting again`);
  },
  askToken,
});
