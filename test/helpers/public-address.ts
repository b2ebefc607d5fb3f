/** A public address for several tunnels, each with a real pair and a real target. */
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { PublicListener } from '../../src/shared/tunnel/public-listener.ts';
import type { PublicListenerOptions, PublicRefusedEvent } from '../../src/shared/tunnel/public-listener-options.ts';
import { makeLeaf, testCertificates } from './certificates.ts';
import { type Pair, type PairOptions, startPair } from './pair.ts';
import { echo, startTarget } from './targets.ts';

type TunnelOptions = PairOptions['tunnelServer'];

export class Address implements AsyncDisposable {
  readonly listener: PublicListener;
  readonly refused: PublicRefusedEvent[] = [];
  readonly #ends: (() => unknown)[] = [];

  constructor(options: Partial<PublicListenerOptions> = {}) {
    this.listener = new PublicListener({ listen: '127.0.0.1:0', ...options });
    this.listener.on('visitRefused', (event) => this.refused.push(event));
  }

  get port(): number {
    return this.listener.address?.port ?? 0;
  }

  /** Why visitors were turned away who were no tunnel's. */
  get reasons(): string[] {
    return this.refused.map(({ reason }) => reason);
  }

  /** A tunnel for some hosts, whose target serves by `serve`. */
  async tunnel(
    hosts: readonly string[] | undefined,
    serve: (socket: Socket) => void,
    options: TunnelOptions = {},
    client: PairOptions['client'] = {},
  ): Promise<Pair> {
    const target = await startTarget(serve);
    this.#ends.unshift(() => target[Symbol.asyncDispose]());
    return this.#pair(target.port, { ...(hosts && { hosts }), ...options }, client);
  }

  /** The same with a TLS server that has a certificate for `name`. */
  async tlsTunnel(name: string, hosts: readonly string[] | undefined): Promise<Pair> {
    const { authority } = await testCertificates();
    const server = createTlsServer(await makeLeaf(authority, [name]), (socket) => echo(socket.on('error', () => {})));
    server.on('tlsClientError', () => {}).listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.#ends.unshift(() => server.close());
    return this.#pair((server.address() as AddressInfo).port, { ...(hosts && { hosts }) });
  }

  async #pair(target: number, tunnelServer: TunnelOptions, client: PairOptions['client'] = {}): Promise<Pair> {
    const tunnel = { public: this.listener, ...tunnelServer };
    const pair = await startPair({ target, client: { minCapacity: 2, ...client }, tunnelServer: tunnel });
    this.#ends.unshift(() => pair[Symbol.asyncDispose]());
    return pair;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.listener.close();
    for (const end of this.#ends) await end();
  }
}

/** Answers each request with a name, as a web server does. */
export const answer = (name: string) => (socket: Socket) => {
  socket.on('data', () => socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${name.length}\r\n\r\n${name}`));
};

export const get = (host: string): string => `GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`;
