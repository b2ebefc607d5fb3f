/** Everything about a balancer. */
import type { BalanceSnapshot } from '../../../../shared/telemetry/snapshot.ts';
import { between, type HistogramCounts, quantile } from '../../../../shared/telemetry/histogram.ts';
import { make, setText } from './dom.ts';
import { bytesText, msText, numberText } from '../../format.ts';
import { Table } from './tables.ts';

export class BalanceView {
  readonly element: HTMLElement;
  readonly #servers = new Table('Servers', ['server', 'health', 'requests', 'so far', 'failed'], 'No server is known.');
  readonly #name = make('h2');
  readonly #reason = make('p');
  readonly #now = make('dl', { class: 'counts' });
  readonly #counts = make('dl', { class: 'counts' });
  #before: { readonly at: number; readonly snapshot: BalanceSnapshot } | undefined;

  constructor() {
    const card = (title: string, list: HTMLElement): HTMLElement =>
      make('section', { class: 'card' }, make('h3', {}, title), list);
    const cards = make('div', { class: 'charts' }, card('Now', this.#now), card('Since the start', this.#counts));
    const title = make('div', { class: 'title' }, this.#name, this.#reason);
    const tables = make('div', { class: 'tables' }, this.#servers.element);
    this.element = make('section', { class: 'tunnel' }, title, cards, tables);
  }

  /** @param at ms since 1970, by the process's clock */
  show(at: number, snapshot: BalanceSnapshot): void {
    const { requests, clients, bytes, refused, servers, times, listen, ready } = snapshot;
    const before = this.#before;
    const seconds = before === undefined ? 0 : (at - before.at) / 1000;
    this.#before = { at, snapshot };
    setText(this.#name, `Balancer at ${listen ?? 'no address'}`);
    setText(this.#reason, ready ? '' : 'no server is up, or it does not listen');
    const begun = seconds > 0 ? (requests.opened - (before?.snapshot.requests.opened ?? 0)) / seconds : 0;
    this.#now.replaceChildren(
      countRow('clients', numberText(clients)),
      countRow('requests on', numberText(requests.on)),
      countRow('waiting', numberText(requests.waiting), requests.waiting > 0),
      countRow('begun', `${numberText(Math.max(0, begun))}/s`),
      ...tookRows(before === undefined ? times.request : between(before.snapshot.times.request, times.request)),
    );
    const { answered, upgraded, ...failed } = requests.closed;
    const bad = Object.entries({ ...failed, ...refused }).filter(([, count]) => count > 0);
    this.#counts.replaceChildren(
      countRow('requests', numberText(requests.opened)),
      countRow('answered', numberText(answered)),
      ...(upgraded > 0 ? [countRow('upgraded', numberText(upgraded))] : []),
      ...Object.entries(requests.answers).map(([status, count]) =>
        countRow(status, numberText(count), status === '5xx' && count > 0),
      ),
      countRow('tried again', numberText(requests.retries)),
      countRow('received', bytesText(bytes.received)),
      countRow('sent', bytesText(bytes.sent)),
      ...bad.map(([word, count]) => countRow(word, numberText(count), true)),
    );
    this.#servers.show(
      servers.map(({ server, up, inUse, total, failed: lost }) => [
        [server],
        up ? ['up', 'good'] : ['down', 'bad'],
        [numberText(inUse)],
        [numberText(total)],
        lost === 0 ? ['0', 'soft'] : [numberText(lost), 'bad'],
      ]),
    );
  }
}

function countRow(name: string, text: string, isBad = false): HTMLElement {
  return make('div', isBad ? { class: 'bad' } : {}, make('dt', {}, name), make('dd', {}, text));
}

/** How long requests took, if any has ended. */
function tookRows(took: HistogramCounts): HTMLElement[] {
  const [p50, p99] = [quantile(took, 0.5), quantile(took, 0.99)];
  if (p50 === undefined || p99 === undefined) return [];
  return [countRow('p50', msText(p50)), countRow('p99', msText(p99))];
}
