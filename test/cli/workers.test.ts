import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { platform } from 'node:process';
import test, { type ExecutionContext } from 'ava';
import type { StatusReport } from '../../src/cli/admin/report.ts';
import { type Child, childrenOf } from '../helpers/child.ts';
import { runCli, startCli, textFile } from '../helpers/cli.ts';
import { askSoon, clientArgs, ports, serverArgs } from '../helpers/cli-pair.ts';
import { until } from '../helpers/events.ts';
import { askHttp } from '../helpers/http.ts';
import { ask } from '../helpers/pair.ts';
import { echo, startTarget } from '../helpers/targets.ts';

const SECRET = 'the-secret-that-nobody-must-see';

function visit(port: number, message: string): Promise<string> {
  return ask(connect({ port, host: '127.0.0.1', allowHalfOpen: true }), message);
}

test('several processes serve the same visitors, also one that has no connection yet, and end in order', async (t) => {
  const file = await textFile(t, SECRET);
  await using target = await startTarget(echo);
  const at = await ports();
  await using server = startCli(serverArgs(at, file, '--workers', '3'));
  await server.printed(/"workers":3/);
  await using client = startCli(clientArgs(at, target.port, file));
  await client.printed(/"warm"/);
  const messages = Array.from({ length: 60 }, (_, number) => `visit ${number}`);
  const answers = await Promise.all(messages.map((message) => visit(at.visitors, message)));
  t.deepEqual(answers, messages);
  server.kill('SIGTERM');
  t.is(await server.ended(), 0, server.output);
  t.notRegex(server.output, /"level":(50|60)/);
  t.false(server.output.includes(SECRET));
});

const onLinux = {
  serial: platform === 'linux' ? test.serial : test.serial.skip,
  any: platform === 'linux' ? test : test.skip,
};

onLinux.any('a worker that ends is started again, shows the same certificate, and takes visitors', async (t) => {
  const file = await textFile(t, SECRET);
  await using target = await startTarget(echo);
  const at = await ports();
  await using server = startCli(serverArgs(at, file, '--workers', '2'));
  const [, fingerprint = ''] = await server.printed(/"fingerprint":"([^"]+)"/);
  await using client = startCli(clientArgs(at, target.port, file, '--fingerprint', fingerprint));
  await client.printed(/"warm"/);
  await server.printed(/(client joined.*){2}/s);
  const before = childrenOf(server);
  t.is(before.length, 2);
  process.kill(before[0] as number, 'SIGKILL');
  await server.printed(/a worker has ended/);
  await server.printed(/(client joined.*){3}/s);
  t.is(childrenOf(server).length, 2);
  t.is(await askSoon(at.visitors, 'served'), 'served');
  t.notRegex(client.output, /FINGERPRINT/);
});

onLinux.any('a server ends in order also while a worker is just being started again', async (t) => {
  const file = await textFile(t, SECRET);
  await using server = startCli(serverArgs(await ports(), file, '--workers', '2'));
  await server.printed(/"workers":2/);
  process.kill(childrenOf(server)[0] as number, 'SIGKILL');
  await server.printed(/a worker has ended/);
  await until(() => childrenOf(server).length === 2, 'the worker is there, and hears nothing yet');
  server.kill('SIGTERM');
  t.is(await server.ended(), 0, server.output);
});

test('a server that cannot listen says so and ends, with all of its processes', async (t) => {
  const file = await textFile(t, SECRET);
  const taken = createServer().listen(0, '127.0.0.1');
  t.teardown(() => taken.close());
  await once(taken, 'listening');
  const { port } = taken.address() as { port: number };
  const { visitors } = await ports();
  const ended = await runCli(serverArgs({ listen: port, visitors }, file, '--workers', '2'));
  t.is(ended.code, 1, ended.stderr);
  t.regex(ended.stderr, /cannot listen on/);
});

/** A server of two processes with the tunnels of a file, each by its name and its port. */
async function startFile(t: ExecutionContext, tunnels: Readonly<Record<string, number>>, listen: number, admin = 0) {
  const lines = Object.entries(tunnels).map(([name, port]) => `    ${name}: { public: "127.0.0.1:${port}" }\n`);
  const text = `server:\n  listen: 127.0.0.1:${listen}\n  token: ${SECRET}\n  workers: 2\n  admin: ${admin}\n  tunnels:\n${lines.join('')}`;
  const file = await textFile(t, text);
  const server = startCli(['server', '-c', file]);
  await server.printed(/"listening"/);
  return { server, file, text };
}

const status = async (port: number): Promise<StatusReport> =>
  JSON.parse((await askHttp(port, '/status')).body) as StatusReport;

const count = ({ output }: Child, pattern: RegExp): number => [...output.matchAll(new RegExp(pattern, 'g'))].length;

test.serial('tunnels of several processes may have any name', async (t) => {
  await using target = await startTarget(echo);
  const [at, more] = [await ports(), await ports()];
  const tunnels = { constructor: at.visitors, ['__proto__']: more.visitors };
  const { server } = await startFile(t, tunnels, at.listen);
  await using _server = server;
  const file = await textFile(t, SECRET);
  for (const [name, port] of Object.entries(tunnels)) {
    await using _client = startCli(clientArgs(at, target.port, file, '--tunnel', name));
    t.is(await askSoon(port, name), name, server.output);
  }
  t.is(server.process.exitCode, null, server.output);
});

onLinux.serial('a reload of several processes is done also while one of them is being started', async (t) => {
  const at = await ports();
  const { server } = await startFile(t, { web: at.visitors }, at.listen);
  await using _server = server;
  process.kill(childrenOf(server)[0] as number, 'SIGKILL');
  await server.printed(/a worker has ended/);
  await until(() => childrenOf(server).length === 2, 'the worker is there, and hears nothing yet');
  // More often than Node lets anyone listen to one thing without a warning.
  for (let reload = 1; reload <= 12; reload += 1) {
    server.kill('SIGHUP');
    await until(() => count(server, /"msg":"reload/) === reload, `reload ${reload} is done`);
  }
  t.is(count(server, /"reloaded: files are read again"/), 12, server.output);
  t.notRegex(server.output, /MaxListeners/);
});

onLinux.serial('a worker that is started again takes no file that the others could not take', async (t) => {
  const [at, { listen: admin }] = [await ports(), await ports()];
  const { server, file, text } = await startFile(t, { web: at.visitors }, at.listen, admin);
  await using _server = server;
  const bad = [
    [text.replace('workers: 2', 'workers: 1'), /server\.workers: cannot change while the command runs/],
    ['server: [', /:1: /],
  ] as const;
  for (const [wrong, says] of bad) {
    const ends = count(server, /a worker has ended/);
    await writeFile(file, wrong);
    process.kill(childrenOf(server)[0] as number, 'SIGKILL');
    // It tries again and again.
    await until(() => count(server, /a worker has ended/) >= ends + 3, 'it says that it cannot be');
    t.regex(server.output, says);
    await writeFile(file, text);
    const deadline = performance.now() + 45_000;
    while ((await status(admin)).processes.length < 2) {
      if (performance.now() > deadline) throw new Error(`it is not there again:\n${server.output}`);
    }
  }
});

onLinux.serial('a tunnel that a reload removes is not missed, whichever worker has counted for it', async (t) => {
  const [at, more] = [await ports(), await ports()];
  const { server, file, text } = await startFile(t, { web: at.visitors, going: more.visitors }, at.listen, more.listen);
  await using _server = server;
  const names = ({ tunnels }: StatusReport): string[] => tunnels.map(({ tunnel }) => tunnel);
  t.deepEqual(names(await status(more.listen)), ['web', 'going']);
  process.kill(childrenOf(server)[0] as number, 'SIGKILL');
  await server.printed(/a worker has ended/);
  await writeFile(file, text.replace(/ +going.*\n/, ''));
  server.kill('SIGHUP');
  await server.printed(/reloaded/);
  const after = await status(more.listen);
  t.deepEqual(names(after), ['web']);
  t.true(after.ready, after.reason);
});
