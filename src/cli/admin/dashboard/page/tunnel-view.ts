/** Everything about one end of a tunnel. */
import type { TunnelSnapshot } from '../../../../shared/telemetry/snapshot.ts';
import { Chart } from './chart.ts';
import { make, setText } from './dom.ts';
import { bytesText, countText, msText, numberText } from '../../format.ts';
import { History, sumOf, type Timed, timedOf } from './history.ts';
import { Picture } from './picture.ts';
import { makePeersTable, makeTargetsTable, peerRows, type Table, targetRows } from './tables.ts';

const TIMED: Readonly<Record<Timed, string>> = {
  wait: 'Wait for a connection',
  dial: 'Time of a dial',
  visit: 'Time of a visit',
};

export class TunnelView {
  readonly element: HTMLElement;
  readonly #history = new History();
  readonly #picture: Picture;
  readonly #charts: readonly Chart[];
  readonly #peers: Table;
  readonly #targets: Table | undefined;
  readonly #counts = make('dl', { class: 'counts' });
  readonly #reason = make('p');

  constructor(snapshot: TunnelSnapshot) {
    const { tunnel, side, flow, targets } = snapshot;
    const history = this.#history;
    const perSecond = (value: number): string => `${numberText(value)}/s`;
    this.#picture = new Picture(snapshot);
    this.#charts = [
      new Chart(
        {
          title: 'Pool',
          series: [
            { key: 'idle', label: 'idle', filled: true },
            { key: 'inUse', label: 'in use', filled: true },
            // A server's is its maximum, which would flatten the rest.
            ...(side === 'client' ? [{ key: 'capacity' as const, label: 'wanted idle', dashed: true }] : []),
            { key: 'waiting', label: 'waiting' },
          ],
          text: numberText,
          atLeast: 4,
        },
        history,
      ),
      new Chart(
        { title: 'Visits', series: [{ key: 'visits', label: 'begun', filled: true }], text: perSecond, atLeast: 2 },
        history,
      ),
      new Chart(
        {
          title: 'Payload',
          series: [
            { key: 'toVisitors', label: 'to visitors', filled: true },
            { key: 'fromVisitors', label: 'from visitors' },
          ],
          text: (value) => `${bytesText(value)}/s`,
          binary: true,
          atLeast: 1024,
        },
        history,
      ),
      new Chart(
        {
          title: TIMED[timedOf(snapshot)],
          series: [
            { key: 'p50', label: 'p50' },
            { key: 'p99', label: 'p99' },
          ],
          text: msText,
          atLeast: 0.5,
        },
        history,
      ),
      new Chart(
        { title: 'Errors', series: [{ key: 'errors', label: 'all kinds', filled: true }], text: perSecond, atLeast: 1 },
        history,
      ),
    ];
    const counts = make('section', { class: 'card' }, make('h3', {}, 'Since the start'), this.#counts);
    const charts = make('div', { class: 'charts' }, ...this.#charts.map(({ element }) => element), counts);
    this.#peers = makePeersTable(side);
    const tables = make('div', { class: targets.length > 0 ? 'tables two' : 'tables' }, this.#peers.element);
    if (targets.length > 0) {
      this.#targets = makeTargetsTable();
      tables.append(this.#targets.element);
    }
    const name = make('h2', {}, `Tunnel ${tunnel}`);
    const kind = make('p', {}, `${side}'s end, ${flow}`);
    const title = make('div', { class: 'title' }, name, kind, this.#reason);
    this.element = make('section', { class: 'tunnel' }, title, this.#picture.element, charts, tables);
  }

  /** @param at ms since 1970, by the process's clock */
  show(at: number, snapshot: TunnelSnapshot): void {
    this.#history.add(at, snapshot);
    this.#picture.show(snapshot, this.#history.now?.visits ?? null);
    for (const chart of this.#charts) chart.update();
    this.#peers.show(peerRows(snapshot, at));
    this.#targets?.show(targetRows(snapshot));
    setText(this.#reason, snapshot.ready ? '' : 'takes no visits');
    this.#showCounts(snapshot);
  }

  #showCounts({ visits, connections, dials, datagrams, side }: TunnelSnapshot): void {
    const row = (name: string, count: number, isBad = false): HTMLElement =>
      make('div', isBad && count > 0 ? { class: 'bad' } : {}, make('dt', {}, name), make('dd', {}, numberText(count)));
    const rows = (counts: Readonly<Record<string, number | undefined>>, what: string): HTMLElement[] =>
      Object.entries(counts).flatMap(([word, count = 0]) => (count === 0 ? [] : row(`${what}: ${word}`, count, true)));
    const { done = 0, ...broken } = visits.closed;
    this.#counts.replaceChildren(
      row('visits begun', visits.opened),
      row('visits done', done),
      row('connections made', connections.opened),
      row(`connections ${side === 'server' ? 'left' : 'lost'}`, sumOf(connections.closed)),
      ...(side === 'client' ? [row('dials', dials.made)] : []),
      ...(datagrams === undefined
        ? []
        : [
            row('flows on', datagrams.flows),
            row('flows begun', datagrams.flowsTotal),
            row('datagrams received', datagrams.datagramsIn),
            row('datagrams sent', datagrams.datagramsOut),
            ...rows({ ...datagrams.dropped }, 'dropped'),
          ]),
      ...rows(broken, 'visit'),
      ...rows(visits.refused, 'refused'),
      ...rows(dials.failed, 'dial failed'),
    );
    this.#counts.setAttribute('aria-label', `${countText(visits.opened, 'visit')} since the start`);
  }
}
