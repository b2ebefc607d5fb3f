/** UDP on loopback: services behind a tunnel, visitors in front of it, and the pair in between. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { DatagramStats } from '../../src/shared/tunnel/datagram-stats.ts';
import type { Tunnel } from '../../src/shared/tunnel/tunnel.ts';
import { until } from './events.ts';
import { type Pair, type PairOptions, startPair } from './pair.ts';

export interface UdpService extends AsyncDisposable {
  readonly port: number;
  /** The ports that datagrams came from so far: one for each flow. */
  readonly sources: ReadonlySet<number>;
  readonly received: number;
}

async function bind(port: number): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 }).bind(port, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

async function close(socket: Socket): Promise<void> {
  socket.close();
  await once(socket, 'close');
}

/** A service; `answer` makes the answers to a datagram. Default: the datagram itself. */
export async function startUdp(
  answer: (datagram: Buffer, from: RemoteInfo) => Buffer[] = (datagram) => [datagram],
  port = 0,
): Promise<UdpService> {
  const socket = await bind(port);
  const sources = new Set<number>();
  let received = 0;
  socket.on('message', (datagram, from) => {
    received += 1;
    sources.add(from.port);
    for (const one of answer(datagram, from)) socket.send(one, from.port, from.address);
  });
  return {
    port: socket.address().port,
    sources,
    get received() {
      return received;
    },
    [Symbol.asyncDispose]: () => close(socket),
  };
}

export interface UdpVisitor extends AsyncDisposable {
  readonly port: number;
  /** What came back, in order. */
  readonly heard: Buffer[];
  send(datagram: Buffer | string): void;
  /** Sends, and resolves with what comes back next. */
  ask(datagram: Buffer | string): Promise<Buffer>;
  /** Sends again and again, because a datagram may be lost, until something comes back. */
  askUntil(datagram: string): Promise<string>;
}

/** Someone who sends to a port. */
export async function startVisitor(port: number): Promise<UdpVisitor> {
  const socket = await bind(0);
  const heard: Buffer[] = [];
  socket.on('message', (datagram) => heard.push(datagram));
  const send = (datagram: Buffer | string): void => socket.send(datagram, port, '127.0.0.1');
  const next = async (count: number): Promise<Buffer> => {
    await until(() => heard.length > count, 'an answer has come');
    return heard[count] as Buffer;
  };
  return {
    port: socket.address().port,
    heard,
    send,
    ask(datagram) {
      const { length } = heard;
      send(datagram);
      return next(length);
    },
    async askUntil(datagram) {
      const { length } = heard;
      for (const end = performance.now() + 20_000; heard.length === length; ) {
        if (performance.now() > end) throw new Error('nobody has answered for 20 s');
        send(datagram);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      return String(heard.at(-1));
    },
    [Symbol.asyncDispose]: () => close(socket),
  };
}

export interface UdpPair extends Pair {
  /** Where visitors send to. */
  readonly port: number;
  /** The end where visitors come in, and the one where they go out. */
  readonly entrance: Tunnel;
  readonly exit: Tunnel;
  /** The numbers of both. */
  stats(): { entrance: DatagramStats; exit: DatagramStats };
}

/** A tunnel of datagrams over real connections. */
export async function startUdpPair(options: PairOptions): Promise<UdpPair> {
  const pair = await startPair({
    ...options,
    tunnelServer: { protocol: 'udp', ...options.tunnelServer },
    tunnelClient: { protocol: 'udp', ...options.tunnelClient },
  });
  const { server, client } = pair;
  const [entrance, exit] = options.flow === 'forward' ? [client, server] : [server, client];
  return {
    ...pair,
    port: entrance.address?.port ?? 0,
    entrance,
    exit,
    stats: () => ({ entrance: statsOf(entrance), exit: statsOf(exit) }),
    [Symbol.asyncDispose]: () => pair[Symbol.asyncDispose](),
  };
}

/** The numbers of an end that has them. */
export function statsOf(tunnel: Tunnel): DatagramStats {
  const stats = tunnel.datagramStats();
  if (stats === undefined) throw new Error('the tunnel carries no datagrams');
  return stats;
}
