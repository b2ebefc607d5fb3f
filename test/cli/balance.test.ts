import { writeFile } from 'node:fs/promises';
import test from 'ava';
import { startHttp } from '../helpers/balancer.ts';
import { runCli, startCli, textFile } from '../helpers/cli.ts';
import { until } from '../helpers/events.ts';
import { askHttp } from '../helpers/http.ts';
import { sayTo } from '../helpers/raw-visitor.ts';

const LISTENS = /"listen":"127\.0\.0\.1:(\d+)"/;
const ADMIN = /"admin":"127\.0\.0\.1:(\d+)"/;

test('one line is a balancer', async (t) => {
  await using one = await startHttp('one');
  await using two = await startHttp('two');
  const servers = [one, two].flatMap(({ port }) => ['--server', `127.0.0.1:${port}`]);
  await using balance = startCli(['balance', '--listen', '127.0.0.1:0', ...servers]);
  const port = Number((await balance.printed(LISTENS))[1]);
  const bodies = [(await askHttp(port, '/')).body, (await askHttp(port, '/')).body];
  t.deepEqual(bodies.sort(), ['one', 'two']);
  balance.kill('SIGTERM');
  t.is(await balance.ended(), 0);
  t.regex(balance.output, /"opened":2,.*"msg":"ended"/);
});

test('a file is read again under load: servers come and go, and no request fails', async (t) => {
  const [old, stays, young] = await Promise.all(['old', 'stays', 'new'].map(startHttp));
  const file = (...targets: readonly (typeof old)[]): string =>
    `balance:\n  listen: 127.0.0.1:0\n  servers: [${targets.map((target) => `"http://127.0.0.1:${target?.port}"`).join(', ')}]\n`;
  const path = await textFile(t, file(old, stays));
  await using balance = startCli(['balance', '-c', path]);
  const port = Number((await balance.printed(LISTENS))[1]);
  const stop = new AbortController();
  const bad: unknown[] = [];
  const seen = new Set<string>();
  const clients = Array.from({ length: 4 }, async () => {
    while (!stop.signal.aborted) {
      const { status, body } = await askHttp(port, '/');
      if (status === 200) seen.add(body);
      else bad.push([status, body]);
    }
  });
  await until(() => seen.size === 2, 'both serve');
  await writeFile(path, file(stays, young));
  balance.kill('SIGHUP');
  await balance.printed(/"added":\["127.*"removed":\["127.*reloaded/);
  await until(() => old?.sockets.size === 0, 'what is on at the old one has ended');
  const { requests } = old as { requests: number };
  await until(() => seen.has('new'), 'the new one serves');
  t.is(old?.requests, requests);
  await writeFile(path, 'balance:\n  listen: 127.0.0.1:0\n  servers: []\n');
  balance.kill('SIGHUP');
  await balance.printed(/reload: nothing has changed: [^"]*:3 balance\.servers: wants at least one/);
  await writeFile(path, `${file(stays)}  idle-timeout: 5s\n`);
  balance.kill('SIGHUP');
  await balance.printed(/idle-timeout: cannot change while the command runs/);
  stop.abort();
  await Promise.all(clients);
  t.deepEqual(bad, []);
  for (const target of [old, stays, young]) await target?.kill();
});

test('it ends in order: what is on has the grace period', async (t) => {
  const waiting: (() => void)[] = [];
  await using target = await startHttp((_, response) => void waiting.push(() => response.end('late')));
  await using balance = startCli(['balance', '--listen', '0', '--server', `${target.port}`]);
  const port = Number((await balance.printed(LISTENS))[1]);
  using visitor = sayTo(port, ['GET / HTTP/1.1\r\nHost: a\r\n\r\n']);
  await until(() => waiting.length === 1, 'the request is there');
  balance.kill('SIGTERM');
  await balance.printed(/"requests":1.*ending/);
  waiting[0]?.();
  await visitor.answered('late');
  t.is(await balance.ended(), 0);
});

test('the admin address tells of requests and servers, and poold status shows them', async (t) => {
  await using good = await startHttp('good');
  await using bad = await startHttp((asked) => void asked.socket.destroy());
  const servers = [good, bad].flatMap(({ port }) => ['--server', `${port}`]);
  const checks = ['--health-path', '/', '--health-interval', '20ms', '--health-fall', '1'];
  await using balance = startCli(['balance', '--listen', '0', '--admin', '0', ...servers, ...checks]);
  const admin = Number((await balance.printed(ADMIN))[1]);
  const port = Number((await balance.printed(LISTENS))[1]);
  await balance.printed(/the server is down/);
  for (let at = 0; at < 3; at += 1) await askHttp(port, '/');
  const { body } = await askHttp(admin, '/metrics');
  t.regex(body, /^poold_balance_requests_opened_total 3$/m);
  t.regex(body, /^poold_balance_answers_total\{status="2xx"\} 3$/m);
  t.true(body.includes(`poold_balance_server_up{server="127.0.0.1:${bad.port}"} 0`));
  t.true(body.includes(`poold_balance_server_requests_total{server="127.0.0.1:${good.port}"} 3`));
  t.regex(body, /^poold_balance_request_duration_seconds_count 3$/m);
  t.is((await askHttp(admin, '/readyz')).body, 'ready: listening, 1 of 2 servers up\n');
  const status = JSON.parse((await askHttp(admin, '/status')).body) as { role: string; balancers: unknown[] };
  t.deepEqual([status.role, status.balancers.length], ['balance', 1]);
  const shown = await runCli(['status', '--admin', `127.0.0.1:${admin}`]);
  t.regex(shown.stdout, /requests 0 on, 0 waiting, 3 begun/);
  t.regex(shown.stdout, new RegExp(`127.0.0.1:${bad.port} +DOWN`));
  t.regex(shown.stdout, new RegExp(`127.0.0.1:${good.port} +up +0 +3 +0`));
});

const GOOD = ['balance', '--listen', '0', '--server', '3000'];

for (const [what, args, says] of [
  ['no servers', ['balance', '--listen', '0'], /--server: is missing; it names the HTTP servers/],
  ['no address', ['balance', '--server', '3000'], /--listen: is missing/],
  [
    'a server with TLS',
    [...GOOD, '--server', 'https://a:1'],
    /--server: "https:\/\/a:1": servers are spoken to without TLS/,
  ],
  ['a server with a path', [...GOOD, '--server', 'http://a:1/b'], /has a path; write http:\/\/host:port alone/],
  ['a server twice', [...GOOD, '--server', '127.0.0.1:3000'], /--server: 127\.0\.0\.1:3000 is given twice/],
  ['a path that is none', [...GOOD, '--health-path', 'healthz'], /--health-path: wants a path/],
  ['a strategy that is none', [...GOOD, '--strategy', 'best'], /--strategy/],
  ['a proxy that is no address', [...GOOD, '--trusted-proxy', 'lb'], /--trusted-proxy: "lb" is not an IP address/],
  ['a rule for visitors', [...GOOD, '--visitor-burst', '3'], /--visitor-burst: has no effect without --visitor-rate/],
] as const) {
  test(`${what} is told, with code 2`, async (t) => {
    const { code, stderr } = await runCli(args);
    t.is(code, 2, stderr);
    t.regex(stderr, says);
  });
}

test('a file is checked with lines and hints, and printed', async (t) => {
  const wrong = await textFile(
    t,
    'balance:\n  port: 8080\n  servers: [3000]\n  maxConnections: 5\n  health: { pth: / }\n',
  );
  const { code, stderr } = await runCli(['check', wrong]);
  t.is(code, 2);
  t.regex(stderr, /:4 balance\.maxConnections: is not known here; did you mean max-connections\?/);
  t.regex(stderr, /:5 balance\.health\.pth: is not known here; did you mean health-path\?/);
  const good = await runCli(['check', 'examples/balance.yaml', '--print']);
  t.is(good.code, 0, good.stderr);
  t.regex(good.stdout, /^ {2}listen: 127\.0\.0\.1:8080 +# examples\/balance\.yaml:4 balance\.listen$/m);
  t.regex(good.stdout, /^ {2}# wait: 5s \(default\)$/m);
  t.notRegex(good.stdout, /tunnels/);
  const other = await runCli(['server', '-c', 'examples/balance.yaml']);
  t.regex(other.stderr, /is for `poold balance`, and this is `poold server`/);
});
