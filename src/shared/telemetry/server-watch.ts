import type { TunnelServer } from '../../server/tunnel-server.ts';
import type { Clock } from '../clock.ts';
import { formatAddress } from '../net/address.ts';
import { Ears } from './ears.ts';
import type { PeerSnapshot, TunnelSnapshot } from './snapshot.ts';
import { Tally } from './tally.ts';
import { levelsOf, type TunnelWatch } from './tunnel-watch.ts';

/** A client that has connections. */
interface Client {
  connections: number;
  readonly since: string;
  remote: string | undefined;
}

/** Watches a server's end of a tunnel. Its peers are the clients that have connections. */
export class ServerWatch implements TunnelWatch {
  readonly #tunnel: string;
  readonly #server: TunnelServer;
  readonly #clock: Clock;
  readonly #isEntrance: boolean;
  readonly #ears = new Ears();
  readonly #tally: Tally;
  readonly #clients = new Map<string, Client>();

  /** @param tunnel the name it goes by in metrics */
  constructor(tunnel: string, server: TunnelServer, clock: Clock) {
    const { pool } = server;
    this.#tunnel = tunnel;
    this.#server = server;
    this.#clock = clock;
    this.#isEntrance = pool.opener === 'server';
    this.#tally = new Tally(server, this.#isEntrance, this.#ears, (client) => client);
    for (const { name, idle, inUse } of pool.groups) this.#join(name, idle + inUse, undefined);
    this.#ears.hear(pool, 'connectionReady', ({ group, remote }) => {
      this.#tally.connectionsOpened += 1;
      this.#join(group, 1, remote);
    });
    this.#ears.hear(pool, 'connectionClosed', ({ group, reason }) => {
      this.#tally.connectionsClosed.add(reason);
      this.#leave(group);
    });
  }

  snapshot(): TunnelSnapshot {
    const { pool, address } = this.#server;
    const traffic = this.#tally.peers();
    return {
      tunnel: this.#tunnel,
      side: 'server',
      flow: this.#isEntrance ? 'reverse' : 'forward',
      ready: pool.ready && pool.address !== undefined,
      entrance: address && formatAddress(address),
      listen: pool.address && formatAddress(pool.address),
      ...this.#tally.snapshot(levelsOf([pool])),
      errors: pool.errorCount,
      peers: pool.groups.map(({ name: peer, idle, inUse }): PeerSnapshot => {
        const { since, remote } = this.#clients.get(peer) ?? {};
        const { visits = 0, bytesReceived = 0, bytesSent = 0 } = traffic.get(peer) ?? {};
        return { peer, remote, since, idle, inUse, visits, bytesReceived, bytesSent };
      }),
      targets: this.#server.targetStats(),
    };
  }

  stop(): void {
    this.#ears.stop();
  }

  #join(name: string, connections: number, remote: string | undefined): void {
    const client = this.#clients.get(name);
    if (client === undefined) {
      const since = new Date(this.#clock.wallNow()).toISOString();
      this.#clients.set(name, { connections, since, remote });
      this.#tally.join(name);
    } else {
      client.connections += connections;
      client.remote = remote;
    }
  }

  #leave(name: string): void {
    const client = this.#clients.get(name);
    if (client === undefined || --client.connections > 0) return;
    this.#clients.delete(name);
    this.#tally.leave(name);
  }
}
