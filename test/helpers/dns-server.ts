/** A DNS server on a real UDP socket, and a resolver that asks nobody else. */
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { type Answer, decode, encode, RECURSION_DESIRED } from 'dns-packet';

/** What is answered to a question, by `A name`, `AAAA name` or `SRV name`. A name that has nothing does not exist. */
export type Zone = Record<string, readonly Answer[] | 'SERVFAIL'>;

/** RFC 1035, 4.1.1. */
const SERVFAIL = 2;
const NXDOMAIN = 3;

export interface DnsServer extends AsyncDisposable {
  readonly port: number;
  readonly resolver: Resolver;
  /** May be changed at any time. */
  zone: Zone;
  /** What was asked, in order. */
  readonly asked: string[];
}

export const a = (name: string, ttl: number, ...ips: string[]): Zone => ({
  [`A ${name}`]: ips.map((data) => ({ type: 'A', name, ttl, data })),
});

export const aaaa = (name: string, ttl: number, ...ips: string[]): Zone => ({
  [`AAAA ${name}`]: ips.map((data) => ({ type: 'AAAA', name, ttl, data })),
});

export const srv = (name: string, ...targets: [target: string, port: number, priority: number][]): Zone => ({
  [`SRV ${name}`]: targets.map(([target, port, priority]) => ({
    type: 'SRV',
    name,
    ttl: 1,
    data: { target, port, priority, weight: 0 },
  })),
});

export async function startDns(zone: Zone): Promise<DnsServer> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const resolver = new Resolver({ timeout: 5000, tries: 2 });
  resolver.setServers([`127.0.0.1:${socket.address().port}`]);
  const server: DnsServer = {
    port: socket.address().port,
    resolver,
    zone,
    asked: [],
    async [Symbol.asyncDispose]() {
      resolver.cancel();
      socket.close();
      await once(socket, 'close');
    },
  };
  socket.on('message', (message, { port, address }) => {
    const { id, questions = [] } = decode(message);
    const [question] = questions;
    const text = `${question?.type} ${question?.name.toLowerCase()}`;
    server.asked.push(text);
    const found = server.zone[text];
    const exists = Object.keys(server.zone).some((key) => key.endsWith(` ${question?.name.toLowerCase()}`));
    let code = exists ? 0 : NXDOMAIN;
    if (found === 'SERVFAIL') code = SERVFAIL;
    const answers = found === undefined || found === 'SERVFAIL' ? [] : [...found];
    const reply = encode({ type: 'response', id: id ?? 0, flags: RECURSION_DESIRED | code, questions, answers });
    socket.send(reply, port, address);
  });
  return server;
}
