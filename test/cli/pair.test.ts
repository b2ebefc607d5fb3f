import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { testCertificates } from '../helpers/certificates.ts';
import type { Child } from '../helpers/child.ts';
import { runCli, startCli, textFile } from '../helpers/cli.ts';
import { askSoon, clientArgs, ports, serverArgs } from '../helpers/cli-pair.ts';
import { ask } from '../helpers/pair.ts';
import { echo, freePort, startTarget } from '../helpers/targets.ts';

const SECRET = 'the-secret-that-nobody-must-see';

function neverPrints(t: ExecutionContext, secret: string, ...children: Child[]): void {
  for (const child of children) t.false(child.output.includes(secret), child.output);
}

test('the pair serves visitors, drains on SIGTERM while a visit is on, and ends without an error line', async (t) => {
  const file = await textFile(t, `${SECRET}\n`);
  await using target = await startTarget(echo);
  const at = await ports();
  await using server = startCli(serverArgs(at, file));
  await server.printed(/listening/);
  await using client = startCli(clientArgs(at, target.port, file));
  await client.printed(/"warm"/);
  t.is(await ask(connect({ port: at.visitors, host: '127.0.0.1', allowHalfOpen: true }), 'hello'), 'hello');
  const visitor = connect({ port: at.visitors, host: '127.0.0.1', allowHalfOpen: true });
  visitor.write('still ');
  await once(visitor, 'data');
  server.kill('SIGTERM');
  await server.printed(/ending/);
  t.is(await ask(visitor, 'here'), 'here');
  t.is(await server.ended(), 0, server.output);
  client.kill('SIGTERM');
  t.is(await client.ended(), 0, client.output);
  t.notRegex(server.output + client.output.replace(/.*hung up.*|.*ECONNREFUSED.*/g, ''), /"level":(50|60)/);
  neverPrints(t, SECRET, server, client);
});

test('a second signal ends at once, though a visit is on', async (t) => {
  const file = await textFile(t, SECRET);
  await using target = await startTarget(echo);
  const at = await ports();
  await using server = startCli(serverArgs(at, file));
  await server.printed(/listening/);
  await using client = startCli(clientArgs(at, target.port, file));
  await client.printed(/"warm"/);
  const visitor = connect({ port: at.visitors, host: '127.0.0.1' }).on('error', () => {});
  visitor.write('held');
  await once(visitor, 'data');
  server.kill('SIGTERM');
  await server.printed(/ending/);
  server.kill('SIGTERM');
  t.is(await server.ended(), 143);
  visitor.destroy();
});

test('SIGHUP ends nothing', async (t) => {
  const file = await textFile(t, SECRET);
  const at = await ports();
  await using server = startCli(serverArgs(at, file));
  await server.printed(/listening/);
  server.kill('SIGHUP');
  await server.printed(/reloaded/);
  server.kill('SIGTERM');
  t.is(await server.ended(), 0);
});

test('exit 3 and clear words: a wrong token, and a tunnel that is not there', async (t) => {
  const file = await textFile(t, SECRET);
  const wrong = await textFile(t, 'another-secret-of-good-length');
  const at = await ports();
  await using server = startCli(serverArgs(at, file));
  await server.printed(/listening/);
  const token = await runCli(clientArgs(at, 1, wrong));
  t.is(token.code, 3, token.stderr);
  t.regex(token.stderr, /token is wrong/);
  const tunnel = await runCli(clientArgs(at, 1, file, '--tunnel', 'elsewhere'));
  t.is(tunnel.code, 3, tunnel.stderr);
  t.regex(tunnel.stderr, /no tunnel named elsewhere/);
  t.false((token.stderr + tunnel.stderr).includes('another-secret'));
  neverPrints(t, SECRET, server);
});

test('a client that was let in once goes on when it is refused later, and serves again', async (t) => {
  const file = await textFile(t, SECRET);
  const other = await textFile(t, 'another-secret-of-good-length');
  await using target = await startTarget(echo);
  const at = await ports();
  const first = startCli(serverArgs(at, file));
  await first.printed(/listening/);
  await using client = startCli(clientArgs(at, target.port, file), { POOLD_EXIT_ON_REJECT: 'no' });
  await client.printed(/"warm"/);
  first.kill('SIGKILL');
  await first.ended();
  {
    await using changed = startCli(serverArgs(at, other));
    await client.printed(/POOLD_ERR_REJECTED/);
    t.is(client.process.exitCode, null);
    t.pass(changed.output);
  }
  await using again = startCli(serverArgs(at, file));
  await again.printed(/listening/);
  t.is(await askSoon(at.visitors, 'back'), 'back');
});

test('a switch in the environment is read: a client that is let in once ends when it is refused later', async (t) => {
  const file = await textFile(t, SECRET);
  const other = await textFile(t, 'another-secret-of-good-length');
  const at = await ports();
  await using first = startCli(serverArgs(at, file));
  await first.printed(/listening/);
  await using client = startCli(clientArgs(at, 1, file), { POOLD_EXIT_ON_REJECT: 'yes' });
  await client.printed(/"warm"/);
  first.kill('SIGKILL');
  await first.ended();
  await using changed = startCli(serverArgs(at, other));
  t.is(await client.ended(), 3, client.output);
  neverPrints(t, SECRET, first, client, changed);
});

test('a client that may not retry for ever gives up with a code of its own', async (t) => {
  const file = await textFile(t, SECRET);
  const at = await ports();
  await using client = startCli(clientArgs(at, 1, file, '--max-retry-count', '2'));
  t.is(await client.ended(), 4, client.output);
  t.regex(client.output, /given up after 2 retries: .*ECONNREFUSED/);
});

test('a client that is to end on loss goes on retrying until it is in, and ends when its server goes', async (t) => {
  const file = await textFile(t, SECRET);
  const at = await ports();
  await using client = startCli(clientArgs(at, 1, file, '--exit-on-loss'));
  await client.printed(/ECONNREFUSED/);
  await using server = startCli(serverArgs(at, file));
  await client.printed(/"warm"/);
  server.kill('SIGKILL');
  t.is(await client.ended(), 4, client.output);
  t.regex(client.output, /the server is lost/);
});

test('a target that is down is said once, and so is its return', async (t) => {
  const file = await textFile(t, SECRET);
  const at = await ports();
  const port = await freePort();
  await using server = startCli(serverArgs(at, file));
  await server.printed(/listening/);
  await using client = startCli(clientArgs(at, port, file));
  await client.printed(/"warm"/);
  for (let visits = 0; visits < 2; visits += 1) {
    await t.throwsAsync(ask(connect({ port: at.visitors, host: '127.0.0.1', allowHalfOpen: true }), 'hello'));
  }
  const target = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)).listen(port, '127.0.0.1');
  t.teardown(() => target.close());
  await once(target, 'listening');
  t.is(await askSoon(at.visitors, 'back'), 'back');
  await client.printed(/the target is up again/);
  t.is(client.output.match(/the target is down: connect ECONNREFUSED/g)?.length, 1, client.output);
  neverPrints(t, SECRET, server, client);
});

test('a client that comes before its server keeps trying, and serves', async (t) => {
  const file = await textFile(t, SECRET);
  await using target = await startTarget(echo);
  const at = await ports();
  await using client = startCli(clientArgs(at, target.port, file));
  await client.printed(/ECONNREFUSED/);
  await using server = startCli(serverArgs(at, file));
  t.is(await askSoon(at.visitors, 'at last'), 'at last');
  t.is(client.process.exitCode, null);
  t.pass(server.output);
});

test('kill -9 of either process is survived: visits are served when it is back', async (t) => {
  const file = await textFile(t, SECRET);
  await using target = await startTarget(echo);
  const at = await ports();
  const firstServer = startCli(serverArgs(at, file));
  await firstServer.printed(/listening/);
  const firstClient = startCli(clientArgs(at, target.port, file));
  await firstClient.printed(/"warm"/);
  firstServer.kill('SIGKILL');
  await firstServer.ended();
  await using server = startCli(serverArgs(at, file));
  t.is(await askSoon(at.visitors, 'server is back'), 'server is back');
  firstClient.kill('SIGKILL');
  await firstClient.ended();
  await server.printed(/client left/);
  await using client = startCli(clientArgs(at, target.port, file));
  t.is(await askSoon(at.visitors, 'client is back'), 'client is back');
  t.pass(client.output);
});

test('with --tls 2 the certificate is verified against --ca and --hostname, and may be pinned', async (t) => {
  const { authority, localhost } = await testCertificates();
  const [token, cert, key, ca] = (await Promise.all(
    [SECRET, localhost.cert, localhost.key, authority.cert].map((text) => textFile(t, text)),
  )) as [string, string, string, string];
  await using target = await startTarget(echo);
  const at = await ports();
  await using server = startCli(serverArgs(at, token, '--tls', '2', '--cert', cert, '--key', key));
  const [, fingerprint = ''] = await server.printed(/"fingerprint":"([^"]+)"/);
  const verified = ['--tls', '2', '--ca', ca, '--hostname', 'localhost', '--fingerprint', fingerprint];
  await using client = startCli(clientArgs(at, target.port, token, ...verified));
  await client.printed(/"warm"/);
  t.is(await askSoon(at.visitors, 'verified'), 'verified');
  await using wrong = startCli(
    clientArgs(at, target.port, token, '--tls', '2', '--ca', ca, '--hostname', 'elsewhere.example'),
  );
  await wrong.printed(/"stage":"tls".*altnames/i);
});

test('a token on the command line is wiped from the process list, and warned about', async (t) => {
  const at = await ports();
  const args = [
    'server',
    '--listen',
    `127.0.0.1:${at.listen}`,
    '--public',
    `127.0.0.1:${at.visitors}`,
    '--token',
    SECRET,
  ];
  await using server = startCli(args);
  await server.printed(/use --token-file/);
  await server.printed(/listening/);
  const seen = readFileSync(`/proc/${server.process.pid}/cmdline`, 'utf8');
  t.false(seen.includes(SECRET), seen);
  neverPrints(t, SECRET, server);
});

test('a token file that others can read, and a token without TLS, are warned about', async (t) => {
  const file = await textFile(t, SECRET, 0o644);
  const at = await ports();
  await using server = startCli(serverArgs(at, file, '--tls', '0'));
  await server.printed(/chmod 600/);
  await server.printed(/without TLS/);
  neverPrints(t, SECRET, server);
});

test('the environment sets what no flag sets, and a flag wins', async (t) => {
  const at = await ports();
  const env = {
    POOLD_TOKEN: SECRET,
    POOLD_PUBLIC: `127.0.0.1:${at.visitors}`,
    POOLD_LISTEN: '127.0.0.1:1',
    POOLD_TLS: '0',
    POOLD_ALLOW: '10.0.0.0/8, 127.0.0.1',
  };
  await using server = startCli(['server', '--listen', `127.0.0.1:${at.listen}`], env);
  const [line] = await server.printed(/\{.*"listening"\}/);
  const logged = JSON.parse(line) as { listen: string; public: string; tls: number };
  t.is(logged.listen, `127.0.0.1:${at.listen}`);
  t.is(logged.public, `127.0.0.1:${at.visitors}`);
  t.is(logged.tls, 0);
  neverPrints(t, SECRET, server);
});

test('one environment may serve both commands: what the other flow or side wants is left alone', async (t) => {
  const file = await textFile(t, SECRET);
  await using target = await startTarget(echo);
  const at = await ports();
  const env = {
    POOLD_WAIT: '5s',
    POOLD_MAX_WAITING: '100',
    POOLD_SERVER_STRATEGY: 'failover',
    POOLD_LOCAL: '127.0.0.1:1',
    POOLD_PUBLIC: `127.0.0.1:${at.visitors}`,
    POOLD_TARGET: `${target.port}`,
    POOLD_TARGET_CHECK: 'tcp',
    POOLD_CONNECT_TIMEOUT: '5s',
  };
  await using server = startCli(['server', '--listen', `127.0.0.1:${at.listen}`, '--token-file', file], env);
  await server.printed(/"listening"/);
  await using client = startCli(['client', '--server', `127.0.0.1:${at.listen}`, '--token-file', file], env);
  await client.printed(/"warm"/);
  t.is(await askSoon(at.visitors, 'hello'), 'hello');
});

test('the demo serves its page, soon after its start, and ends cleanly', async (t) => {
  const startedAt = performance.now();
  await using demo = startCli(['demo']);
  const [, address = ''] = await demo.printed(/open (http:\S+)/);
  const page = await (await fetch(address)).text();
  const tookMs = Math.round(performance.now() - startedAt);
  t.log(`served after ${tookMs} ms`);
  // Two seconds is the promise to one who runs it alone; here every other test runs beside it.
  t.true(tookMs < 20_000, `${tookMs} ms`);
  t.regex(page, /This page came through the tunnel/);
  const stats = (await (await fetch(`${address}stats`)).json()) as { visits: number; created: number };
  t.true(stats.visits >= 1);
  await demo.printed(/pool: \d+ idle/);
  demo.kill('SIGINT');
  t.is(await demo.ended(), 0, demo.output);
});
