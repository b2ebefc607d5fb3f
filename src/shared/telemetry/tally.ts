/** What one end of a tunnel has counted so far: by listening, some times a visit and never per byte. */
import type { CloseReason } from '../close-reason.ts';
import type { DialStage } from '../errors.ts';
import type { RelayEnd } from '../relay/relay.ts';
import type { RefusalReason } from '../tunnel/refusal.ts';
import type { LiveVisit, Tunnel } from '../tunnel/tunnel.ts';
import type { Ears } from './ears.ts';
import { countOf, Histogram, VISIT_BOUNDS_MS, WAIT_BOUNDS_MS } from './histogram.ts';
import type { Counts, Levels, PeerSnapshot, TunnelSnapshot } from './snapshot.ts';
import { Traffic } from './traffic.ts';

/** How often each of a closed set of words came. */
export class WordCounts<K extends string> {
  readonly #counts = new Map<K, number>();

  add(word: K): void {
    this.#counts.set(word, (this.#counts.get(word) ?? 0) + 1);
  }

  snapshot(): Counts<K> {
    return Object.fromEntries(this.#counts) as Counts<K>;
  }
}

/** The part of a peer's snapshot that comes from its visits. */
export type PeerTraffic = Pick<PeerSnapshot, 'visits' | 'bytesReceived' | 'bytesSent'>;

export class Tally {
  readonly connectionsClosed = new WordCounts<CloseReason>();
  readonly dialsFailed = new WordCounts<DialStage>();
  readonly dials = new Histogram(WAIT_BOUNDS_MS);
  connectionsOpened = 0;
  readonly #tunnel: Tunnel;
  readonly #peerOf: (client: string) => string;
  readonly #visitsClosed = new WordCounts<RelayEnd>();
  readonly #visitsRefused = new WordCounts<RefusalReason>();
  readonly #waits = new Histogram(WAIT_BOUNDS_MS);
  readonly #visits = new Histogram(VISIT_BOUNDS_MS);
  readonly #all = new Traffic();
  /** Of the peers that are there. */
  readonly #peers = new Map<string, Traffic>();

  /** @param peerOf the peer that a visit belongs to, by its client process */
  constructor(tunnel: Tunnel, isEntrance: boolean, ears: Ears, peerOf: (client: string) => string) {
    this.#tunnel = tunnel;
    this.#peerOf = peerOf;
    ears.hear(tunnel, 'visitOpened', ({ client, waitedMs }) => {
      this.#all.visits += 1;
      const peer = this.#peers.get(peerOf(client));
      if (peer !== undefined) peer.visits += 1;
      if (isEntrance) this.#waits.observe(waitedMs);
    });
    ears.hear(tunnel, 'visitClosed', (visit) => {
      this.#all.close(visit);
      // One that has left took its numbers with it.
      this.#peers.get(peerOf(visit.client))?.close(visit);
      this.#visits.observe(visit.durationMs);
      this.#visitsClosed.add(visit.reason);
    });
    ears.hear(tunnel, 'visitRefused', ({ reason }) => this.#visitsRefused.add(reason));
  }

  /** A peer has come, and is counted from here on. */
  join(peer: string): void {
    if (!this.#peers.has(peer)) this.#peers.set(peer, new Traffic());
  }

  /** It has left, and its numbers with it; the tunnel's stay. */
  leave(peer: string): void {
    this.#peers.delete(peer);
  }

  /** The traffic of each peer. */
  peers(): ReadonlyMap<string, PeerTraffic> {
    const live = new Map<string, LiveVisit[]>();
    for (const visit of this.#tunnel.live) {
      const peer = this.#peerOf(visit.client);
      const visits = live.get(peer);
      if (visits === undefined) live.set(peer, [visit]);
      else visits.push(visit);
    }
    const entries = [...this.#peers].map(([peer, traffic]): [string, PeerTraffic] => {
      const { bytesIn, bytesOut } = traffic.withLive(live.get(peer) ?? []);
      return [peer, { visits: traffic.visits, bytesReceived: bytesIn, bytesSent: bytesOut }];
    });
    return new Map(entries);
  }

  /** The tunnel's own part of its snapshot. */
  snapshot(
    levels: Levels,
  ): Omit<
    TunnelSnapshot,
    'tunnel' | 'side' | 'flow' | 'ready' | 'entrance' | 'listen' | 'errors' | 'peers' | 'targets'
  > {
    const { live } = this.#tunnel;
    const { bytesIn, bytesOut } = this.#all.withLive(live);
    const dial = this.dials.snapshot();
    return {
      connections: { ...levels, opened: this.connectionsOpened, closed: this.connectionsClosed.snapshot() },
      visits: {
        on: live.length,
        opened: this.#all.visits,
        closed: this.#visitsClosed.snapshot(),
        refused: this.#visitsRefused.snapshot(),
      },
      bytes: { received: bytesIn, sent: bytesOut },
      dials: { made: countOf(dial), failed: this.dialsFailed.snapshot() },
      times: { wait: this.#waits.snapshot(), dial, visit: this.#visits.snapshot() },
      datagrams: this.#tunnel.datagramStats(),
      bandwidth: this.#tunnel.bandwidthStats(),
    };
  }
}
