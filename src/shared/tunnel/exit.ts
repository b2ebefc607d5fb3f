/** Where visits come out: each is connected to a target. */
import type { Clock } from '../clock.ts';
import { Relay, type RelayEnd, type RelayHandler } from '../relay/relay.ts';
import { StallWatch } from '../relay/stall-watch.ts';
import type { Visit } from '../session/visit.ts';
import { ResetCode } from '../wire/frame.ts';
import { type Bandwidth, type BandwidthOptions, makeBandwidth, type RelayedVisit } from './bandwidth.ts';
import { Crowd } from './crowd.ts';
import { connectTarget, type TargetConnection } from './target.ts';
import { visitHeader, writeHeader } from './target-header.ts';
import { type SearchOwner, TargetSearch } from './target-search.ts';
import { type Target, Targets, type TargetsSetup, type TargetStats } from './targets.ts';
import type { LiveVisit, Tunnel, TunnelExit } from './tunnel.ts';
import type { VisitEvent } from './visit-events.ts';
import type { WarmConnection } from './warm-sockets.ts';

export interface ExitOptions extends TargetsSetup {
  readonly stallTimeoutMs: number;
  readonly bandwidth: BandwidthOptions;
  readonly clock: Clock;
}

export class Exit implements TunnelExit, SearchOwner {
  readonly #options: ExitOptions;
  readonly #tunnel: Tunnel;
  readonly #targets: Targets;
  readonly #stallWatch: StallWatch;
  readonly bandwidth: Bandwidth | undefined;
  readonly #visits = new Crowd<Relay<RelayedVisit> | TargetSearch>();

  constructor(options: ExitOptions, tunnel: Tunnel) {
    this.#options = options;
    this.#tunnel = tunnel;
    this.#targets = new Targets(options, tunnel);
    this.bandwidth = makeBandwidth(options.bandwidth, options.clock);
    this.#stallWatch = new StallWatch(options.clock, options.stallTimeoutMs);
  }

  /** Visits that are on. */
  get visits(): number {
    return this.#visits.size;
  }

  /** The visits that are on now. */
  get live(): LiveVisit[] {
    return this.#visits.all().map(({ visit }) => visit);
  }

  /** The targets' numbers, a snapshot. */
  targetStats(): readonly TargetStats[] {
    return this.#targets.stats();
  }

  /** Begins to check the targets, and to keep connections to them ready. */
  start(): void {
    this.#targets.start();
  }

  /** Ends what {@link start} began; visits go on. */
  stop(): void {
    this.#targets.stop();
  }

  /** Connects a visit that the other side has opened. */
  serve(visit: Visit): void {
    const target = this.#targets.first();
    const ready = target.enter();
    if (ready !== undefined) this.#goOn(visit, target, ready, this.#options.clock.now());
    else if (target === this.#targets.only) this.#dial(visit, target);
    else this.#search(visit, target);
    if (!this.#tunnel.heard('visitOpened')) return;
    this.#tunnel.tell('visitOpened', { ...eventOf(visit), waitedMs: 0 });
  }

  /** Resolves when no visit is on, or after `graceMs`. */
  empty(graceMs: number): Promise<void> {
    return this.#visits.empty(this.#options.clock, graceMs);
  }

  /** Breaks off the visits that are still on. */
  abort(reason: string): void {
    for (const visit of this.#visits.all()) visit.abort(ResetCode.internal, reason);
  }

  /** @internal */
  onFound(search: TargetSearch, target: Target, found: WarmConnection): void {
    search.tell(this.#goOn(search.visit, target, found, search.startedAt));
    this.#visits.delete(search);
  }

  /** @internal */
  onLost(search: TargetSearch, end: RelayEnd, error: Error | undefined): void {
    this.#visits.delete(search);
    this.#tellClosed(search.visit, search.visit, search.startedAt, end, error);
  }

  /** To the only target: what the visitor says waits in the socket until it is connected. */
  #dial(visit: Visit, target: Target): void {
    const { clock, connectTimeoutMs } = this.#options;
    const startedAt = clock.now();
    const connection = connectTarget(target.address, connectTimeoutMs, clock, () => {
      target.reached();
      visit.accept();
    });
    this.#relay(visit, target, connection, startedAt);
  }

  #search(visit: Visit, target: Target): void {
    const { clock, connectTimeoutMs } = this.#options;
    const search = new TargetSearch(visit, this.#targets, connectTimeoutMs, clock, this);
    this.#visits.add(search);
    search.start(target);
  }

  /** The target is connected, and may have said something already. */
  #goOn(visit: Visit, target: Target, { connection, banner }: WarmConnection, startedAt: number): RelayHandler {
    visit.accept();
    return this.#relay(visit, target, connection, startedAt, banner);
  }

  /** Returns what hears the visit from here on. */
  #relay(
    visit: Visit,
    target: Target,
    connection: TargetConnection,
    startedAt: number,
    banner: readonly Buffer[] = [],
  ): RelayHandler {
    // Before the relay, which writes what the visitor has said so far.
    const header = visitHeader(this.#options.rules.proxy, visit.info);
    if (header !== undefined) writeHeader(connection.socket, header);
    const throttled = this.bandwidth?.leaving(visit);
    const carried = throttled ?? visit;
    for (const chunk of banner) carried.write(chunk);
    const relay = new Relay<RelayedVisit>({
      socket: connection.socket,
      visit: carried,
      brokenCode: (error) => connection.codeOf(error),
      stalledCode: ResetCode.stalled,
      stallWatch: this.#stallWatch,
      onEnd: (end, error) => {
        this.#visits.delete(relay);
        // A visitor who leaves before it is connected, or a shutdown, says nothing about the target.
        if (end === 'broken' && error !== undefined && !connection.connected) target.unreached(error);
        target.leave();
        this.#tellClosed(visit, carried, startedAt, end, error);
      },
    });
    this.#visits.add(relay);
    return throttled ?? relay;
  }

  #tellClosed(visit: Visit, carried: LiveVisit, startedAt: number, reason: RelayEnd, error: Error | undefined): void {
    if (!this.#tunnel.heard('visitClosed')) return;
    const { bytesIn, bytesOut } = carried;
    const durationMs = this.#options.clock.now() - startedAt;
    this.#tunnel.tell('visitClosed', { ...eventOf(visit), bytesIn, bytesOut, durationMs, reason, error });
  }
}

function eventOf({ info, connectionId, client }: Visit): VisitEvent {
  return { remote: info.remote, id: connectionId, client };
}
