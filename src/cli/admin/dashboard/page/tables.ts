/** Tables that are filled anew each second. */
import type { PeerSnapshot, TunnelSnapshot } from '../../../../shared/telemetry/snapshot.ts';
import { make } from './dom.ts';
import { bytesText, numberText, spanText } from '../../format.ts';

/** A cell: its text, and what its colour says. */
type Cell = readonly [text: string, tone?: 'good' | 'bad' | 'soft' | undefined, title?: string];

export class Table {
  readonly element: HTMLElement;
  readonly #body = make('tbody');
  readonly #scroll: HTMLElement;
  readonly #none: HTMLElement;

  /** @param none what is said in place of no rows */
  constructor(title: string, columns: readonly string[], none: string) {
    const heads = columns.map((column) => make('th', { scope: 'col' }, column));
    const table = make('table', {}, make('thead', {}, make('tr', {}, ...heads)), this.#body);
    this.#scroll = make('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': title }, table);
    this.#none = make('p', { class: 'none' }, none);
    this.element = make('section', { class: 'card' }, make('h3', {}, title), this.#scroll, this.#none);
  }

  /** The first cell of a row is its name. */
  show(rows: readonly (readonly Cell[])[]): void {
    this.#scroll.hidden = rows.length === 0;
    this.#none.hidden = rows.length > 0;
    this.#body.replaceChildren(
      ...rows.map(([name = [''], ...cells]) => {
        const head = make('th', { scope: 'row', title: name[2] ?? name[0] }, name[0]);
        const data = cells.map(([text, tone]) => make('td', tone === undefined ? {} : { class: tone }, text));
        return make('tr', {}, head, ...data);
      }),
    );
  }
}

export function makePeersTable(side: TunnelSnapshot['side']): Table {
  const common = ['idle', 'in use', 'since', 'visits', 'received', 'sent'];
  if (side === 'server') return new Table('Clients', ['client', 'from', ...common], 'No client is connected.');
  return new Table('Servers', ['server', ...common, 'health', 'breaker'], 'No server is known.');
}

export function peerRows({ side, peers }: TunnelSnapshot, now: number): Cell[][] {
  return [...peers]
    .sort((a, b) => (a.since ?? '~').localeCompare(b.since ?? '~'))
    .map((peer) => peerRow(side, peer, now));
}

function peerRow(side: TunnelSnapshot['side'], peer: PeerSnapshot, now: number): Cell[] {
  const { since, remote, healthy, breaker, lastError } = peer;
  const common: Cell[] = [
    [numberText(peer.idle)],
    [numberText(peer.inUse)],
    since === undefined ? ['–', 'soft'] : [spanText(now - Date.parse(since)), 'soft'],
    [numberText(peer.visits)],
    [bytesText(peer.bytesReceived)],
    [bytesText(peer.bytesSent)],
  ];
  // Its first eight characters are what the log can be searched for.
  if (side === 'server') return [[peer.peer.slice(0, 8), undefined, peer.peer], [remote ?? '–', 'soft'], ...common];
  const health: Cell = healthy === false ? [lastError ?? 'not connected', 'bad'] : ['connected', 'good'];
  const tone = breaker === 'open' ? 'bad' : breaker === 'closed' ? 'soft' : undefined;
  return [[peer.peer], ...common, health, [breaker ?? '–', tone]];
}

export function makeTargetsTable(): Table {
  return new Table('Targets', ['target', 'health', 'visits', 'so far', 'failed', 'warm'], 'No target is known here.');
}

export function targetRows({ targets }: TunnelSnapshot): Cell[][] {
  return targets.map(({ target, up, inUse, total, failed, warm }) => [
    [target],
    up ? ['up', 'good'] : ['down', 'bad'],
    [numberText(inUse)],
    [numberText(total)],
    failed === 0 ? ['0', 'soft'] : [numberText(failed), 'bad'],
    [numberText(warm), warm === 0 ? 'soft' : undefined],
  ]);
}
