import test from 'ava';
import { startCli, textFile } from '../helpers/cli.ts';
import { askSoon, ports, type Ports } from '../helpers/cli-pair.ts';
import { echo, startTarget } from '../helpers/targets.ts';

const SECRET = 'the-secret-that-nobody-must-see';

const serverArgs = ({ listen }: Ports, target: number, file: string, ...more: string[]): string[] => [
  ...['server', '--listen', `127.0.0.1:${listen}`, '--flow', 'forward', '--target', `${target}`],
  ...['--token-file', file, ...more],
];
const clientArgs = ({ listen, visitors }: Ports, file: string, ...more: string[]): string[] => [
  ...['client', '--server', `127.0.0.1:${listen}`, '--flow', 'forward', '--local', `127.0.0.1:${visitors}`],
  ...['--token-file', file, '--min', '4', ...more],
];

for (const workers of ['1', '2']) {
  test(`visitors of the client reach the server's target, and both end in order (${workers} workers)`, async (t) => {
    const file = await textFile(t, SECRET);
    await using target = await startTarget(echo);
    const at = await ports();
    await using server = startCli(serverArgs(at, target.port, file, '--workers', workers));
    await server.printed(/"listening"/);
    await using client = startCli(clientArgs(at, file));
    await client.printed(/"warm"/);
    const messages = Array.from({ length: 20 }, (_, number) => `visit ${number}`);
    t.deepEqual(await Promise.all(messages.map((message) => askSoon(at.visitors, message))), messages);
    client.kill('SIGTERM');
    t.is(await client.ended(), 0, client.output);
    server.kill('SIGTERM');
    t.is(await server.ended(), 0, server.output);
    t.notRegex(client.output, /"level":(40|50|60)/);
    t.notRegex(server.output, /"level":(50|60)/);
  });
}

test('a server that comes back is used again at once', async (t) => {
  const file = await textFile(t, SECRET);
  await using target = await startTarget(echo);
  const at = await ports();
  const first = startCli(serverArgs(at, target.port, file));
  await first.printed(/"listening"/);
  await using client = startCli(clientArgs(at, file));
  await client.printed(/"warm"/);
  first.kill('SIGKILL');
  await first.ended();
  await using again = startCli(serverArgs(at, target.port, file));
  t.is(await askSoon(at.visitors, 'back'), 'back');
  t.pass(again.output);
});

test('a client that gives up ends, though its visitors could still come in', async (t) => {
  const file = await textFile(t, SECRET);
  await using client = startCli(clientArgs(await ports(), file, '--max-retry-count', '2'));
  t.is(await client.ended(), 4, client.output);
});

test('two sides that do not agree about the flow say so, and the client ends', async (t) => {
  const file = await textFile(t, SECRET);
  await using target = await startTarget(echo);
  const at = await ports();
  await using server = startCli(serverArgs(at, target.port, file));
  await server.printed(/"listening"/);
  const reverse = ['client', '--server', `127.0.0.1:${at.listen}`, '--target', `${target.port}`, '--token-file', file];
  await using client = startCli(reverse);
  t.is(await client.ended(), 3, client.output);
  t.regex(client.output, /is a forward one; use the same flow on both sides/);
});
