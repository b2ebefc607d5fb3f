import type { ServerEntry } from '../../client/servers.ts';
import type { TunnelClient } from '../../client/tunnel-client.ts';
import type { Clock } from '../clock.ts';
import type { NodeStats } from '../group/node.ts';
import { formatAddress } from '../net/address.ts';
import { Ears } from './ears.ts';
import type { PeerSnapshot, TunnelSnapshot } from './snapshot.ts';
import { type PeerTraffic, Tally } from './tally.ts';
import { levelsOf, type TunnelWatch } from './tunnel-watch.ts';

/** A server's pool, and since when it has connections without a break. */
interface Watched {
  readonly ears: Ears;
  since: string | undefined;
}

/** Watches a client's end of a tunnel. Its peers are the servers that it has, connected or not. */
export class ClientWatch implements TunnelWatch {
  readonly #tunnel: string;
  readonly #client: TunnelClient;
  readonly #clock: Clock;
  readonly #isEntrance: boolean;
  readonly #ears = new Ears();
  readonly #tally: Tally;
  readonly #watched = new Map<ServerEntry, Watched>();
  /** Servers by what their visits call this client. */
  readonly #names = new Map<string, string>();
  /** Of servers that were left. */
  #pastErrors = 0;

  /** @param tunnel the name it goes by in metrics */
  constructor(tunnel: string, client: TunnelClient, clock: Clock) {
    this.#tunnel = tunnel;
    this.#client = client;
    this.#clock = clock;
    this.#isEntrance = client.targetStats().length === 0;
    this.#tally = new Tally(client, this.#isEntrance, this.#ears, (id) => this.#names.get(id) ?? '');
    for (const entry of client.servers.entries) this.#watch(entry);
    this.#ears.hear(client.servers, 'serverAdded', (entry) => this.#watch(entry));
  }

  snapshot(): TunnelSnapshot {
    this.#forgetLeft();
    const { servers, address } = this.#client;
    const pools = servers.entries.map(({ pool }) => pool);
    const levels = levelsOf(pools);
    const { group } = servers;
    return {
      tunnel: this.#tunnel,
      side: 'client',
      flow: this.#isEntrance ? 'forward' : 'reverse',
      ready: servers.ready,
      entrance: address && formatAddress(address),
      listen: undefined,
      ...this.#tally.snapshot({ ...levels, waiting: group.waiting }),
      errors: pools.reduce((sum, { errorCount }) => sum + errorCount, this.#pastErrors),
      peers: this.#peers(),
      targets: this.#client.targetStats(),
    };
  }

  stop(): void {
    this.#ears.stop();
    for (const { ears } of this.#watched.values()) ears.stop();
  }

  #peers(): PeerSnapshot[] {
    const { servers } = this.#client;
    const nodes = new Map(servers.group.nodes.map((node) => [node.name, node]));
    const traffic = this.#tally.peers();
    return servers.entries.map((entry) => this.#peer(entry, nodes.get(entry.server), traffic.get(entry.server)));
  }

  #peer(entry: ServerEntry, node?: NodeStats, traffic?: PeerTraffic): PeerSnapshot {
    const { healthy, breaker, lastError } = node ?? {};
    const { visits = 0, bytesReceived = 0, bytesSent = 0 } = traffic ?? {};
    const since = this.#watched.get(entry)?.since;
    const numbers = { ...levelsOf([entry.pool]), visits, bytesReceived, bytesSent };
    return { peer: entry.server, since, ...numbers, healthy, breaker, lastError };
  }

  #watch(entry: ServerEntry): void {
    const { server, pool } = entry;
    const now = (): string => new Date(this.#clock.wallNow()).toISOString();
    const watched: Watched = { ears: new Ears(), since: pool.idle + pool.inUse > 0 ? now() : undefined };
    const { ears } = watched;
    this.#watched.set(entry, watched);
    this.#names.set(pool.client, server);
    this.#tally.join(server);
    ears.hear(pool, 'connectionReady', () => {
      this.#tally.connectionsOpened += 1;
      watched.since ??= now();
    });
    ears.hear(pool, 'connectionClosed', ({ reason }) => {
      this.#tally.connectionsClosed.add(reason);
      if (pool.idle + pool.inUse === 0) watched.since = undefined;
    });
    ears.hear(pool, 'dialed', ({ durationMs }) => this.#tally.dials.observe(durationMs));
    ears.hear(pool, 'dialFailed', ({ stage }) => this.#tally.dialsFailed.add(stage));
  }

  /** Servers that their names do not have any more. */
  #forgetLeft(): void {
    const { entries } = this.#client.servers;
    const names = new Set(entries.map(({ server }) => server));
    for (const [entry, { ears }] of this.#watched) {
      if (entries.includes(entry)) continue;
      ears.stop();
      this.#watched.delete(entry);
      this.#names.delete(entry.pool.client);
      this.#pastErrors += entry.pool.errorCount;
      // Another one may have come by this name.
      if (!names.has(entry.server)) this.#tally.leave(entry.server);
    }
  }
}
