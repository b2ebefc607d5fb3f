/** The pair as a picture: visitors, the two ends with their pool between them, and the target. */
import type { TunnelSnapshot } from '../../../../shared/telemetry/snapshot.ts';
import { make, setText } from './dom.ts';
import { countText, numberText } from '../../format.ts';
import { isEntrance } from './history.ts';

/** So many connections are drawn one by one; more as a bar. */
const MAX_SQUARES = 96;

interface Stop {
  readonly element: HTMLElement;
  show(big: string, unit: string, text: string): void;
}

function makeStop(title: string, here: boolean): Stop {
  const number = make('span');
  const unit = make('small');
  const text = make('p');
  const heading = make('h3', {}, title, ...(here ? [make('small', {}, 'this process')] : []));
  const element = make('div', { class: here ? 'stop here' : 'stop' }, heading);
  element.append(make('p', { class: 'big' }, number, unit), text);
  return {
    element,
    show(big, what, line) {
      setText(number, big);
      setText(unit, what);
      setText(text, line);
    },
  };
}

export class Picture {
  readonly element: HTMLElement;
  readonly #visitors = makeStop('visitors', false);
  readonly #entrance: Stop;
  readonly #exit: Stop;
  readonly #target = makeStop('target', false);
  readonly #lanes = make('div', { class: 'lanes', role: 'img' });
  readonly #counts = new Map<string, HTMLElement>();

  constructor(snapshot: TunnelSnapshot) {
    const { side, flow } = snapshot;
    const [first, second] = flow === 'reverse' ? (['server', 'client'] as const) : (['client', 'server'] as const);
    this.#entrance = makeStop(first, side === first);
    this.#exit = makeStop(second, side === second);
    const legend = make('dl', { class: 'legend' });
    for (const [key, label] of [
      ['idle', 'idle'],
      ['inUse', 'in use'],
      ['connecting', 'connecting'],
      ['waiting', 'waiting'],
    ] as const) {
      const name = make('dt', {}, label);
      name.style.setProperty('--color', `var(--${key})`);
      const value = make('dd');
      this.#counts.set(key, value);
      legend.append(make('div', {}, name, value));
    }
    const wire = (): HTMLElement => make('div', { class: 'wire', 'aria-hidden': 'true' });
    const pool = make('div', { class: 'pool' }, this.#lanes, legend);
    const { element: visitors } = this.#visitors;
    this.element = make('div', { class: 'picture' }, visitors, wire(), this.#entrance.element, pool);
    this.element.append(this.#exit.element, wire(), this.#target.element);
  }

  show(snapshot: TunnelSnapshot, visitsPerSecond: number | null): void {
    const { connections, visits, targets, peers, side } = snapshot;
    const { idle, inUse, connecting, waiting } = connections;
    const here = isEntrance(snapshot);
    const rate = visitsPerSecond === null ? '' : `${numberText(visitsPerSecond)} a second`;
    this.#visitors.show(numberText(visits.on + (here ? waiting : 0)), visits.on === 1 ? 'visit' : 'visits', rate);
    const connected = peers.filter((peer) => peer.idle + peer.inUse > 0).length;
    const own = side === 'server' ? snapshot.listen : undefined;
    const [mine, other] = here ? [this.#entrance, this.#exit] : [this.#exit, this.#entrance];
    const lines = [snapshot.entrance && `visitors at ${snapshot.entrance}`, own && `clients at ${own}`];
    mine.show(numberText(visits.opened), 'visits so far', lines.filter(Boolean).join('\n'));
    if (side === 'server') other.show(numberText(connected), connected === 1 ? 'client' : 'clients', 'connected');
    else
      other.show(
        `${connected} of ${peers.length}`,
        'connected',
        peers.length === 1 ? (peers[0]?.peer ?? '') : 'servers',
      );
    const up = targets.filter((target) => target.up).length;
    if (targets.length === 0) this.#target.show('–', '', `known to the ${side === 'server' ? 'client' : 'server'}`);
    else {
      const names = targets.length === 1 ? (targets[0]?.target ?? '') : countText(targets.length, 'target');
      this.#target.show(`${up} of ${targets.length}`, 'up', names);
    }
    for (const [key, value] of Object.entries({ idle, inUse, connecting, waiting })) {
      const element = this.#counts.get(key);
      if (element !== undefined) setText(element, numberText(value));
    }
    this.#drawLanes(snapshot);
  }

  #drawLanes({ connections, side }: TunnelSnapshot): void {
    const { idle, inUse, connecting, capacity } = connections;
    const wanted = side === 'client' ? Math.max(0, capacity - idle - connecting) : 0;
    const parts = [
      ['inUse', inUse],
      ['idle', idle],
      ['connecting', connecting],
      ['lacking', Math.min(wanted, 1024)],
    ] as const;
    const total = parts.reduce((sum, [, count]) => sum + count, 0);
    this.#lanes.setAttribute('aria-label', `${idle} connections idle, ${inUse} in use, ${connecting} connecting`);
    this.#lanes.className = total > MAX_SQUARES ? 'bar' : 'lanes';
    this.#lanes.replaceChildren(
      ...parts.flatMap(([kind, count]) => {
        if (total <= MAX_SQUARES) return Array.from({ length: count }, () => make('i', { class: kind }));
        const part = make('i', { class: kind });
        part.style.flexGrow = String(count);
        return kind === 'lacking' || count === 0 ? [] : [part];
      }),
    );
  }
}
