import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import test from 'ava';
import { runCli, startCli, textFile } from '../helpers/cli.ts';
import { askSoon, type Ports, ports, serverArgs } from '../helpers/cli-pair.ts';
import { ask } from '../helpers/pair.ts';
import { echo, freePort, startTarget } from '../helpers/targets.ts';

const SECRET = 'the-secret-that-nobody-must-see';
const PUBLISH = ['--publish-ports', '10000-29999', '--publish-host', '127.0.0.1'];

const client = ({ listen }: Ports, target: number, file: string, ...more: string[]): string[] => [
  ...['client', '--server', `127.0.0.1:${listen}`, '--target', `${target}`, '--token-file', file, '--min', '2'],
  ...more,
];

test('clients open ports of their own beside the server’s tunnel, by flags and by the environment', async (t) => {
  const file = await textFile(t, SECRET);
  await using target = await startTarget(echo);
  const at = await ports();
  const [first, second] = [await freePort(), await freePort()];
  await using server = startCli(serverArgs(at, file, ...PUBLISH, '--publish-linger', '0s', '--grace-period', '1s'));
  await server.printed(/"listening"/);
  await using one = startCli(client(at, target.port, file, '--publish', `${first}`, '--share'));
  await using two = startCli(client(at, target.port, file, '--tunnel', 'db'), { POOLD_PUBLISH: `${second}` });
  await one.printed(/"warm"/);
  await two.printed(/"warm"/);
  t.is(await askSoon(first, 'one'), 'one');
  t.is(await askSoon(second, 'two'), 'two');
  t.regex(server.output, new RegExp(`"tunnel":"port-${first}","port":${first},"protocol":"tcp","msg":"port opened"`));
  one.kill('SIGTERM');
  t.is(await one.ended(), 0, one.output);
  await server.printed(new RegExp(`"tunnel":"port-${first}".*"port closed"`));
  server.kill('SIGTERM');
  t.is(await server.ended(), 0, server.output);
  t.regex(server.output, /"tunnel":"db".*"port closed"/);
  t.notRegex(server.output, /"level":(50|60)/);
  t.notRegex(server.output + one.output + two.output, new RegExp(SECRET));
});

test('rules for visitors hold at opened ports, and are read again at SIGHUP', async (t) => {
  const file = await textFile(t, SECRET);
  const denied = await textFile(t, '# nobody yet\n');
  await using target = await startTarget(echo);
  const at = await ports();
  const port = await freePort();
  await using server = startCli(serverArgs(at, file, ...PUBLISH, '--visitor-deny', `@${denied}`));
  await server.printed(/"listening"/);
  await using one = startCli(client(at, target.port, file, '--publish', `${port}`));
  await one.printed(/"warm"/);
  t.is(await askSoon(port, 'let in'), 'let in');
  await writeFile(denied, '127.0.0.1\n');
  server.kill('SIGHUP');
  await server.printed(/reloaded/);
  await t.throwsAsync(ask(connect(port, '127.0.0.1'), 'kept out'), { code: 'ECONNRESET' });
});

test('a client is told why its port is not opened: code 3 where only a person can mend it, else it goes on', async (t) => {
  const file = await textFile(t, SECRET);
  const at = await ports();
  const port = await freePort();
  await using server = startCli(serverArgs(at, file, ...PUBLISH));
  await server.printed(/"listening"/);
  await using first = startCli(client(at, 1, file, '--publish', `${port}`));
  await first.printed(/"warm"/);
  const outside = await runCli(client(at, 1, file, '--publish', '9999'));
  t.is(outside.code, 3, outside.stderr);
  t.regex(outside.stderr, /port 9999 may not be published here; allowed are 10000-29999/);
  const late = await runCli(client(at, 1, file, '--publish', `${port}`, '--max-retry-count', '0'));
  t.is(late.code, 4, late.stderr);
  t.regex(late.stderr, /is published by another client since/);
});

const SERVER = ['server', '--listen', '127.0.0.1:0', '--public', '127.0.0.1:0', '--token', SECRET];
const CLIENT = ['client', '--server', '127.0.0.1:7000', '--token', SECRET];

for (const { title, args, says } of [
  { title: 'ports without a host', args: [...SERVER, '--publish-ports', '8000'], says: /--publish-host: is missing/ },
  { title: 'a host without ports', args: [...SERVER, '--publish-host', '::1'], says: /--publish-host: has no effect/ },
  {
    title: 'a range that is none',
    args: [...SERVER, '--publish-ports', '80,9-', '--publish-host', '127.0.0.1'],
    says: /--publish-ports: "9-" is neither/,
  },
  {
    title: 'ports of several processes',
    args: [...SERVER, ...PUBLISH, '--workers', '2'],
    says: /--workers: has no place beside --publish-ports/,
  },
  {
    title: 'a proxy in front of nothing but such ports',
    args: ['server', '--listen', '127.0.0.1:0', '--token', SECRET, ...PUBLISH, '--proxy-from', '10.0.0.0/8'],
    says: /--proxy-from: has no effect without --public: ports that clients open/,
  },
  {
    title: 'ports for everybody',
    args: ['server', '--listen', '127.0.0.1:0', '--public', '127.0.0.1:0', ...PUBLISH],
    says: /--token-file: is missing, and without any everybody who connects could open ports here/,
  },
  {
    title: 'a port that is none',
    args: [...CLIENT, '--target', '1', '--publish', '0'],
    says: /--publish.*"0" is no port/,
  },
  {
    title: 'a port of a forward tunnel',
    args: [...CLIENT, '--flow', 'forward', '--local', '127.0.0.1:0', '--publish', '8080'],
    says: /--publish: has no place in a forward tunnel/,
  },
  { title: 'nothing to share', args: [...CLIENT, '--target', '1', '--share'], says: /--share: has no effect without/ },
]) {
  test(`${title}: exit code 2, and the flag is named`, async (t) => {
    const { code, stderr } = await runCli(args);
    t.is(code, 2, stderr);
    t.regex(stderr, says);
    t.notRegex(stderr, new RegExp(SECRET));
  });
}
