import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import test from 'ava';
import type { StatusReport } from '../../../src/cli/admin/report.ts';
import { startAdminPair } from '../../helpers/admin.ts';
import { until } from '../../helpers/events.ts';
import { askHttp } from '../../helpers/http.ts';
import { ask, TOKEN } from '../../helpers/pair.ts';

/** Listens to `/events`; what has come so far is in `text`. */
async function listen(port: number) {
  const asked = request({ host: '127.0.0.1', port, path: '/events', agent: false }).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  let text = '';
  let ended = false;
  response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  response.on('error', () => {}).on('close', () => (ended = true));
  return {
    response,
    get text() {
      return text;
    },
    get ended() {
      return ended;
    },
  };
}

test('metrics, health and status tell the same numbers', async (t) => {
  await using there = await startAdminPair();
  t.is(await ask(there.pair.visit(), 'hello'), 'hello');
  t.is((await askHttp(there.port, '/healthz')).body, 'alive\n');
  const ready = await askHttp(there.port, '/readyz');
  t.is(ready.status, 200);
  t.regex(ready.body, /^ready: tunnel web: listening, 1 client; tunnel web: connected to 1 of 1 servers\n$/);
  const { body, headers } = await askHttp(there.port, '/status');
  t.is(headers['content-type'], 'application/json');
  const report = JSON.parse(body) as StatusReport;
  t.like(report, { version: 1, role: 'demo', ready: true });
  t.deepEqual(
    report.tunnels.map(({ side, visits }) => [side, visits.opened]),
    [
      ['server', 1],
      ['client', 1],
    ],
  );
  const metrics = await askHttp(there.port, '/metrics');
  t.regex(metrics.headers['content-type'] ?? '', /^text\/plain; version=0\.0\.4/);
  t.regex(metrics.body, /^poold_visits_opened_total\{tunnel="web",side="server"\} 1$/m);
  t.regex(metrics.body, /^nodejs_eventloop_lag_seconds /m);
  for (const text of [body, metrics.body]) t.false(text.includes(TOKEN));
  t.is((await askHttp(there.port, '/nothing')).status, 404);
});

test('readiness says why there is none: the tunnel is not there yet, or no server is connected', async (t) => {
  await using there = await startAdminPair();
  there.pair.server.pool.destroy();
  const readiness = (): Promise<{ status: number; body: string }> => askHttp(there.port, '/readyz');
  const gone = await readiness();
  t.is(gone.status, 503);
  t.regex(gone.body, /^not ready: tunnel web: not listening yet, or ending/);
});

test('what is answered is neither kept nor framed, and HEAD has no body', async (t) => {
  await using there = await startAdminPair();
  for (const path of ['/', '/metrics', '/status', '/healthz', '/nothing']) {
    const { headers, body } = await askHttp(there.port, path, { method: 'HEAD' });
    t.like(headers, { 'cache-control': 'no-store', 'x-frame-options': 'DENY', 'x-content-type-options': 'nosniff' });
    t.is(body, '');
  }
  const { headers } = await askHttp(there.port, '/');
  const policy = String(headers['content-security-policy']);
  t.regex(policy, /^default-src 'none'; script-src 'sha256-[^' ]+'; style-src 'sha256-[^' ]+'; connect-src 'self';/);
  t.notRegex(policy, /unsafe/);
});

test('foreign names, origins, methods and strangers without the token are turned away', async (t) => {
  const token = 'the-admin-token-of-this-test';
  await using there = await startAdminPair({ tokens: [token], hosts: ['ops.example'] });
  const { port } = there;
  const authorization = `Bearer ${token}`;
  t.is((await askHttp(port, '/status', { headers: { host: 'evil.example' } })).status, 403);
  t.is((await askHttp(port, '/status', { headers: { authorization, origin: 'http://evil.example' } })).status, 403);
  const post = await askHttp(port, '/status', { method: 'POST', headers: { authorization } });
  t.is(post.status, 405);
  t.is(post.headers.allow, 'GET, HEAD');
  const stranger = await askHttp(port, '/status');
  t.is(stranger.status, 401);
  t.is(stranger.headers['www-authenticate'], 'Bearer');
  t.is((await askHttp(port, '/status', { headers: { authorization, host: 'ops.example' } })).status, 200);
  t.is((await askHttp(port, '/status?token=' + token)).status, 401);
  t.is((await askHttp(port, '/')).status, 200);
});

test('reload calls what there is to call, and says what came of it', async (t) => {
  await using there = await startAdminPair();
  const reload = () => askHttp(there.port, '/reload', { method: 'POST' });
  const none = await reload();
  t.is(none.status, 501);
  t.deepEqual(JSON.parse(none.body), { error: 'there is no file to read again' });
  there.admin.reload = async () => ({ status: 200, answer: { changed: ['max'] } });
  t.deepEqual(JSON.parse((await reload()).body), { changed: ['max'] });
  there.admin.reload = async () => ({ status: 422, answer: { error: 'line 3: no such option' } });
  const failed = await reload();
  t.is(failed.status, 422);
  t.deepEqual(JSON.parse(failed.body), { error: 'line 3: no such option' });
  t.is((await askHttp(there.port, '/reload')).status, 405);
});

test('events bring the notes so far, the status each second, and notes as they come', async (t) => {
  await using there = await startAdminPair();
  const note = { at: new Date().toISOString(), level: 'info', text: 'earlier', fields: {} } as const;
  there.notes.add(note);
  const stream = await listen(there.port);
  t.is(stream.response.headers['content-type'], 'text/event-stream');
  await until(() => stream.text.split('event: status').length > 2, 'a second status has come');
  t.true(stream.text.startsWith(`event: note\ndata: ${JSON.stringify(note)}\n\n`));
  there.notes.add({ ...note, text: 'later <b>' });
  await until(() => stream.text.includes('later <b>'), 'the note has come');
  there.admin.close();
  await until(() => stream.ended, 'the stream has ended');
});

test('sixteen may listen, and whoever leaves makes room', async (t) => {
  await using there = await startAdminPair();
  const streams = await Promise.all(Array.from({ length: 16 }, () => listen(there.port)));
  const refused = await askHttp(there.port, '/events');
  t.is(refused.status, 503);
  t.is(refused.headers['retry-after'], '5');
  t.is((await askHttp(there.port, '/healthz')).status, 200);
  streams[0]?.response.destroy();
  let next = await listen(there.port);
  while (next.response.statusCode === 503) next = await listen(there.port);
  t.is(next.response.statusCode, 200);
});

test('of too many connections the rest is closed, and large heads are refused', async (t) => {
  await using there = await startAdminPair();
  const large = await askHttp(there.port, '/healthz', { headers: { 'x-filler': 'x'.repeat(10_000) } });
  t.is(large.status, 431);
  let closed = 0;
  const sockets = Array.from({ length: 80 }, () => {
    const socket = connect(there.port, '127.0.0.1');
    return socket.on('error', () => {}).on('close', () => (closed += 1));
  });
  await until(() => closed >= 16, 'what is too much is closed');
  for (const socket of sockets) socket.destroy();
  await until(() => closed === 80, 'all are closed');
  // The server hears of the last of them a little later, and until then turns others away.
  const healthy = async (): Promise<boolean> => (await askHttp(there.port, '/healthz')).status === 200;
  let served = false;
  for (let tries = 0; !served && tries < 100; tries += 1) served = await healthy().catch(() => false);
  t.true(served);
});
