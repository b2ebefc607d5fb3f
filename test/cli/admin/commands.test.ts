import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { platform } from 'node:process';
import test from 'ava';
import type { StatusReport } from '../../../src/cli/admin/report.ts';
import { type Child, childrenOf } from '../../helpers/child.ts';
import { runCli, startCli, textFile } from '../../helpers/cli.ts';
import { clientArgs, ports, serverArgs } from '../../helpers/cli-pair.ts';
import { askHttp } from '../../helpers/http.ts';
import { ask } from '../../helpers/pair.ts';
import { echo, freePort, startTarget } from '../../helpers/targets.ts';

const SECRET = 'the-secret-that-nobody-must-see';

/** Where the admin address of a command is. */
async function adminOf(child: Child): Promise<number> {
  const [, port] = await child.printed(/"admin":"127\.0\.0\.1:(\d+)"/);
  return Number(port);
}

async function status(port: number): Promise<StatusReport> {
  return JSON.parse((await askHttp(port, '/status')).body) as StatusReport;
}

/** Asks until the report is as wanted, within ten seconds. */
async function statusWith(port: number, wanted: (report: StatusReport) => boolean): Promise<StatusReport> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const report = await status(port);
    if (wanted(report)) return report;
    if (performance.now() > deadline) throw new Error(JSON.stringify(report));
  }
}

const visit = (port: number): Promise<string> =>
  ask(connect({ port, host: '127.0.0.1', allowHalfOpen: true }), 'hello');

test('both commands serve an admin address, and `poold status` shows what it says', async (t) => {
  const file = await textFile(t, SECRET);
  await using target = await startTarget(echo);
  const at = await ports();
  await using server = startCli(serverArgs(at, file, '--admin', '127.0.0.1:0'));
  await using client = startCli(clientArgs(at, target.port, file, '--admin', '0'));
  const [atServer, atClient] = [await adminOf(server), await adminOf(client)];
  await client.printed(/"warm"/);
  t.is(await visit(at.visitors), 'hello');
  const served = await statusWith(atServer, ({ tunnels }) => tunnels[0]?.visits.closed.done === 1);
  t.like(served, { version: 1, role: 'server', ready: true });
  t.like(served.tunnels[0], { tunnel: 'default', bytes: { received: 5, sent: 5 }, flow: 'reverse' });
  t.is((await askHttp(atClient, '/readyz')).status, 200);
  const shown = await runCli(['status', '--admin', `127.0.0.1:${atClient}`]);
  t.is(shown.code, 0, shown.stderr);
  t.regex(shown.stdout, /poold client .*\nready: tunnel default: connected to 1 of 1 servers\n/);
  t.regex(shown.stdout, new RegExp(`127\\.0\\.0\\.1:${target.port} +up +0 +1 +0 +0`));
  const json = await runCli(['status', '--json'], { POOLD_ADMIN: String(atServer) });
  t.is((JSON.parse(json.stdout) as StatusReport).tunnels[0]?.visits.opened, 1);
  await using watching = startCli(['status', '--watch', '--admin', String(atServer)]);
  await watching.printed(/begun, 0\/s/);
  watching.kill('SIGINT');
  t.is(await watching.ended(), 0, watching.output);
  server.kill('SIGTERM');
  t.is(await server.ended(), 0, server.output);
  // Without its server the client is not ready, and says so.
  await statusWith(atClient, ({ ready }) => !ready);
  const gone = await askHttp(atClient, '/readyz');
  t.is(gone.status, 503);
  t.regex(gone.body, /no server is connected: 127\.0\.0\.1:\d+/);
  client.kill('SIGTERM');
  t.is(await client.ended(), 0, client.output);
  for (const text of [server.output, client.output, shown.stdout, json.stdout]) t.false(text.includes(SECRET));
});

test('an admin address with a token shows nothing without it', async (t) => {
  const file = await textFile(t, SECRET);
  const adminToken = 'another-secret-of-the-operators';
  const adminFile = await textFile(t, `${adminToken}\n`);
  const at = await ports();
  const flags = ['--admin', '127.0.0.1:0', '--admin-token-file', adminFile];
  await using server = startCli(serverArgs(at, file, ...flags));
  const port = await adminOf(server);
  t.is((await askHttp(port, '/status')).status, 401);
  const stranger = await runCli(['status', '--admin', String(port)]);
  t.is(stranger.code, 1);
  t.regex(stranger.stderr, /does not tell its status \(401\): wants the header/);
  const shown = await runCli(['status', '--admin', String(port), '--admin-token-file', adminFile]);
  t.is(shown.code, 0, shown.stderr);
  for (const text of [server.output, shown.stdout, stranger.stderr]) t.false(text.includes(adminToken));
});

test('with several processes the first one tells the sum, also after one has ended', async (t) => {
  const file = await textFile(t, SECRET);
  await using target = await startTarget(echo);
  const at = await ports();
  await using server = startCli(serverArgs(at, file, '--workers', '2', '--admin', '127.0.0.1:0'));
  const port = await adminOf(server);
  await server.printed(/"workers":2/);
  await using client = startCli(clientArgs(at, target.port, file));
  await client.printed(/"warm"/);
  for (let n = 0; n < 20; n += 1) t.is(await visit(at.visitors), 'hello');
  const all = await statusWith(port, ({ tunnels }) => tunnels[0]?.visits.closed.done === 20);
  t.deepEqual(all.processes.map(({ name }) => name).sort(), ['0', '1']);
  t.is(all.tunnels.length, 1);
  t.is(all.tunnels[0]?.bytes.received, 100);
  t.is(all.tunnels[0]?.peers.length, 1);
  const metrics = await askHttp(port, '/metrics');
  t.regex(metrics.body, /^poold_visits_opened_total\{tunnel="default",side="server"\} 20$/m);
  for (const name of ['main', '0', '1']) {
    t.true(metrics.body.includes(`process_resident_memory_bytes{process="${name}"}`), name);
  }
  if (platform === 'linux') {
    process.kill(childrenOf(server)[0] as number, 'SIGKILL');
    await server.printed(/a worker has ended/);
    t.is(await visit(at.visitors), 'hello');
    await statusWith(port, ({ tunnels }) => tunnels[0]?.visits.closed.done === 21);
  }
  server.kill('SIGTERM');
  t.is(await server.ended(), 0, server.output);
});

test('what cannot be is said, with exit code 2', async (t) => {
  const file = await textFile(t, SECRET);
  const short = await textFile(t, 'short');
  const at = await ports();
  const wrong: [string[], RegExp][] = [
    [['--admin', '0.0.0.0:9090'], /--admin: others reach 0\.0\.0\.0:9090; add --admin-token-file/],
    [['--admin', '0.0.0.0:9090', '--admin-token-file', short], /--admin-token-file: wants at least 16 characters/],
    [['--admin', '127.0.0.1:9090', '--admin-token-file', '/nowhere'], /--admin-token-file: \/nowhere cannot be read/],
    [['--admin', 'unix:/tmp/x'], /write host:port/],
    [['--admin-host', 'ops.example'], /--admin-host: has no effect without --admin/],
    [['--admin-token-file', file], /--admin-token-file: has no effect without --admin/],
  ];
  for (const [flags, says] of wrong) {
    const ended = await runCli(serverArgs(at, file, ...flags));
    t.is(ended.code, 2, ended.stderr);
    t.regex(ended.stderr, says);
    t.is((await runCli(clientArgs(at, 1, file, ...flags))).code, 2);
  }
});

test('an admin address that is taken ends the command, whatever it runs', async (t) => {
  const file = await textFile(t, SECRET);
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  t.teardown(() => void taken.close());
  const { port } = taken.address() as { port: number };
  for (const more of [[], ['--workers', '2']]) {
    const ended = await runCli(serverArgs(await ports(), file, '--admin', String(port), ...more));
    t.is(ended.code, 1, ended.stderr);
    t.regex(ended.stderr, /cannot listen on 127\.0\.0\.1:\d+ \(--admin\)/);
  }
});

test('where nobody answers, `poold status` says what to do', async (t) => {
  const port = await freePort();
  const ended = await runCli(['status', '--admin', String(port)]);
  t.is(ended.code, 1);
  t.regex(ended.stderr, /^poold: nobody answers at 127\.0\.0\.1:\d+ \(connect ECONNREFUSED .*\); start `poold server`/);
  t.is((await runCli(['status', '--admin', String(port), '--watch'])).code, 1);
  const other = createServer((_, response) => response.end('{"hello":1}')).listen(port, '127.0.0.1');
  await once(other, 'listening');
  t.teardown(() => void other.close());
  const strange = await runCli(['status', '--admin', String(port)]);
  t.is(strange.code, 1);
  t.regex(strange.stderr, /does not tell its status \(200\): \{"hello":1\}/);
});
