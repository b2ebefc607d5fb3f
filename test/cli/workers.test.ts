import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { platform } from 'node:process';
import test from 'ava';
import { childrenOf } from '../helpers/child.ts';
import { runCli, startCli, textFile } from '../helpers/cli.ts';
import { askSoon, clientArgs, ports, serverArgs } from '../helpers/cli-pair.ts';
import { until } from '../helpers/events.ts';
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

const onLinux = platform === 'linux' ? test : test.skip;

onLinux('a worker that ends is started again, shows the same certificate, and takes visitors', async (t) => {
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

onLinux('a server ends in order also while a worker is just being started again', async (t) => {
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
  await once(taken, 'listening');
  const { port } = taken.address() as { port: number };
  const { visitors } = await ports();
  const ended = await runCli(serverArgs({ listen: port, visitors }, file, '--workers', '2'));
  t.is(ended.code, 1, ended.stderr);
  t.regex(ended.stderr, /cannot listen on/);
  taken.close();
});
