import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import test from 'ava';
import { startCli, startCliWith, textFile } from '../helpers/cli.ts';
import { askSoon, clientArgs, ports, type Ports, serverArgs } from '../helpers/cli-pair.ts';
import { until } from '../helpers/events.ts';
import { echo, startTarget } from '../helpers/targets.ts';

const SECRET = 'the-secret-that-nobody-must-see';

/** Few enough that some dozen visitors take them all, and a third more than a process has at its start. */
const DESCRIPTORS = 64;

/** More visitors than such a process can have. */
const VISITORS = 60;

const onLinux = process.platform === 'linux' ? test : test.skip;

/** A client that keeps so many connections idle. */
const wideArgs = (at: Ports, target: number, file: string, min: number, ...more: string[]): string[] =>
  clientArgs(at, target, file, ...more).map((arg, index, args) => (args[index - 1] === '--min' ? `${min}` : arg));

interface Crowd {
  /** Visitors who were answered, and have not left. */
  readonly served: Socket[];
  /** How the others ended. */
  readonly fates: string[];
}

/** Visitors who say hello and stay; resolves when each was answered or broken off. */
async function startCrowd(port: number): Promise<Crowd> {
  const crowd: Crowd = { served: [], fates: [] };
  for (let n = 0; n < VISITORS; n += 1) {
    const visitor = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    visitor.once('data', () => crowd.served.push(visitor));
    visitor.once('end', () => crowd.fates.push('end'));
    visitor.once('error', (error: NodeJS.ErrnoException) => crowd.fates.push(error.code ?? ''));
    visitor.write('hello');
  }
  const all = (): boolean => crowd.served.length + crowd.fates.length >= VISITORS;
  await until(all, 'every visitor is answered or broken off', 30_000);
  return crowd;
}

/** Those who are in are served still. */
async function talk({ served }: Crowd): Promise<string[]> {
  return await Promise.all(
    served.map(async (visitor) => {
      visitor.write('more');
      const [answer] = (await once(visitor, 'data')) as [Buffer];
      return String(answer);
    }),
  );
}

const SHORT = /new visitors are turned away until descriptors are free: the process may have 64/g;

onLinux(
  'case 18: a server without descriptors says so once, serves who is in, and lets visitors in again',
  async (t) => {
    const file = await textFile(t, SECRET);
    await using target = await startTarget(echo);
    const at = await ports();
    await using server = startCliWith(DESCRIPTORS, serverArgs(at, file));
    await server.printed(/"listening"/);
    await using client = startCli(wideArgs(at, target.port, file, 12, '--max', '24'));
    await client.printed(/"warm"/);
    const crowd = await startCrowd(at.visitors);
    t.true(crowd.served.length >= 8, `${crowd.served.length} were served`);
    // Broken off, so that nobody takes it for an empty answer.
    t.deepEqual([...new Set(crowd.fates)], ['ECONNRESET']);
    t.deepEqual([...new Set(await talk(crowd))], ['more']);
    t.is(server.output.match(SHORT)?.length, 1, server.output);
    t.true((server.output.match(/visitor turned away/g)?.length ?? 0) < 10, server.output);
    for (const visitor of crowd.served) visitor.destroy();
    const messages = Array.from({ length: 8 }, (_, n) => `visit ${n}`);
    t.deepEqual(await Promise.all(messages.map((message) => askSoon(at.visitors, message))), messages);
    t.false((server.output + client.output).includes(SECRET));
    server.kill('SIGTERM');
    t.is(await server.ended(), 0, server.output);
  },
);

onLinux(
  'case 18: a server that more clients dial than it has descriptors for says so once, and takes them later',
  async (t) => {
    const file = await textFile(t, SECRET);
    await using target = await startTarget(echo);
    const at = await ports();
    await using server = startCliWith(DESCRIPTORS, serverArgs(at, file));
    await server.printed(/"listening"/);
    await using first = startCli(wideArgs(at, target.port, file, VISITORS));
    await using other = startCli(clientArgs(at, target.port, file));
    await server.printed(/new clients are turned away until descriptors are free/);
    first.kill('SIGKILL');
    await first.ended();
    await other.printed(/"warm"/);
    t.is(await askSoon(at.visitors, 'hello'), 'hello');
    t.is(server.output.match(/new clients are turned away/g)?.length, 1, server.output);
  },
);

onLinux(
  'case 4: a crowd that says nothing does not keep a client out when visitors have taken the descriptors',
  async (t) => {
    const file = await textFile(t, SECRET);
    await using target = await startTarget(echo);
    const at = await ports();
    await using server = startCliWith(2 * DESCRIPTORS, serverArgs(at, file, '--wait', '10m'));
    await server.printed(/"listening"/);
    const sockets = new Set<Socket>();
    /** A peer that says nothing, and comes again when it is closed, while it is `kept`. */
    const come = (port: number, localAddress: string, kept: () => boolean): void => {
      const socket = connect({ port, host: '127.0.0.1', localAddress }).on('error', () => {});
      sockets.add(socket);
      socket.once('close', () => {
        sockets.delete(socket);
        if (kept()) setTimeout(() => come(port, localAddress, kept), 20);
      });
    };
    for (let n = 0; n < 2 * DESCRIPTORS; n += 1) come(at.visitors, '127.0.0.2', () => false);
    await server.printed(/new visitors are turned away/);
    let kept = true;
    for (let n = 0; n < 30; n += 1) come(at.listen, '127.0.0.3', () => kept);
    await server.printed(/new clients are turned away/);
    await using client = startCli(clientArgs(at, target.port, file));
    await server.printed(/client joined/);
    kept = false;
    for (const socket of sockets) socket.destroy();
    t.is(await askSoon(at.visitors, 'hello'), 'hello');
    t.is(server.output.match(/new clients are turned away/g)?.length, 1, server.output);
    t.false((server.output + client.output).includes(SECRET));
  },
);

onLinux(
  'case 18: a client without descriptors serves who is in, lets visitors in again, and dials again',
  async (t) => {
    const file = await textFile(t, SECRET);
    await using target = await startTarget(echo);
    const at = await ports();
    const listen = `127.0.0.1:${at.listen}`;
    const flow = ['--flow', 'forward', '--token-file', file];
    const serve = () => startCli(['server', '--listen', listen, '--target', `${target.port}`, ...flow]);
    await using server = serve();
    await server.printed(/"listening"/);
    const args = ['client', '--server', listen, '--local', `127.0.0.1:${at.visitors}`, '--min', '12', ...flow];
    await using client = startCliWith(DESCRIPTORS, args);
    await client.printed(/"warm"/);
    const crowd = await startCrowd(at.visitors);
    t.true(crowd.served.length >= 8, `${crowd.served.length} were served`);
    t.deepEqual([...new Set(await talk(crowd))], ['more']);
    t.is(client.output.match(SHORT)?.length, 1, client.output);
    for (const visitor of crowd.served) visitor.destroy();
    t.is(await askSoon(at.visitors, 'hello'), 'hello');
    server.kill('SIGKILL');
    await server.ended();
    await using again = serve();
    await again.printed(/"listening"/);
    await client.printed(/the server is reached again/);
    t.is(await askSoon(at.visitors, 'again'), 'again');
    client.kill('SIGTERM');
    t.is(await client.ended(), 0, client.output);
  },
);

onLinux(
  'case 18: a client without descriptors for its target says so once, blames nobody, and another client serves',
  async (t) => {
    const file = await textFile(t, SECRET);
    await using target = await startTarget(echo);
    const at = await ports();
    await using server = startCli(serverArgs(at, file));
    await server.printed(/"listening"/);
    await using client = startCliWith(DESCRIPTORS, wideArgs(at, target.port, file, 12));
    await client.printed(/"warm"/);
    const alone = await startCrowd(at.visitors);
    t.true(alone.served.length >= 8, `${alone.served.length} were served`);
    t.true(alone.fates.length > 0);
    t.is(client.output.match(/descriptors are free: the process may have 64/g)?.length, 2, client.output);
    t.regex(client.output, /new visits are turned away until/);
    t.regex(client.output, /new connections to the server are put off until/);
    t.notRegex(client.output, /target is down|cannot reach|circuit breaker/);
    await using other = startCli(wideArgs(at, target.port, file, 12));
    await other.printed(/"warm"/);
    const both = await startCrowd(at.visitors);
    t.is(both.served.length, VISITORS, JSON.stringify(both.fates));
    t.deepEqual([...new Set(await talk(alone))], ['more']);
    for (const visitor of [...alone.served, ...both.served]) visitor.destroy();
  },
);
