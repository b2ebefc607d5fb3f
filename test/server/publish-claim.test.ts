import test from 'ava';
import { type Held, judgeClaim, type Verdict } from '../../src/server/publish-claim.ts';
import type { PublishRequest } from '../../src/server/server-listener.ts';

const REQUEST: PublishRequest = {
  tunnel: 'web',
  port: 8080,
  protocol: 'tcp',
  share: false,
  owner: 'alice',
  client: 'one',
  goodUntil: Infinity,
};
const HELD: Held = { tunnel: 'web', port: 8080, protocol: 'tcp', share: false, owner: 'alice', clients: ['one'] };

interface Case {
  readonly title: string;
  readonly request?: Partial<PublishRequest>;
  readonly held?: Partial<Held>;
  readonly verdict: Verdict;
}

const CASES: readonly Case[] = [
  { title: 'the client that has it', verdict: 'join' },
  { title: 'another client', request: { client: 'two' }, verdict: 'conflict' },
  { title: 'another that shares', request: { client: 'two', share: true }, verdict: 'conflict' },
  { title: 'another, where the first shares', request: { client: 'two' }, held: { share: true }, verdict: 'conflict' },
  {
    title: 'another, and both share',
    request: { client: 'two', share: true },
    held: { share: true },
    verdict: 'join',
  },
  {
    title: 'another with another token, and both share',
    request: { client: 'two', owner: 'bob', share: true },
    held: { share: true },
    verdict: 'join',
  },
  { title: 'the name of the client with another token', request: { owner: 'bob' }, verdict: 'conflict' },
  { title: 'another tunnel at its port', request: { tunnel: 'db' }, verdict: 'conflict' },
  {
    title: 'another tunnel at its port, and both share',
    request: { tunnel: 'db', client: 'two', share: true },
    held: { share: true },
    verdict: 'conflict',
  },
  { title: 'its tunnel at another port', request: { port: 8081 }, verdict: 'conflict' },
  { title: 'its tunnel at the port of the other protocol', request: { protocol: 'udp' }, verdict: 'conflict' },
  {
    title: 'anybody for what has no clients',
    request: { client: 'two', owner: 'bob' },
    held: { clients: [] },
    verdict: 'join',
  },
  {
    title: 'another tunnel at a port without clients',
    request: { tunnel: 'db' },
    held: { clients: [] },
    verdict: 'replace',
  },
  {
    title: 'a tunnel without clients at another port',
    request: { port: 1 },
    held: { clients: [] },
    verdict: 'replace',
  },
];

for (const { title, request, held, verdict } of CASES) {
  test(`${title}: ${verdict}`, (t) => {
    t.is(judgeClaim({ ...REQUEST, ...request }, { ...HELD, ...held }), verdict);
  });
}
