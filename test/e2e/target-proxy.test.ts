import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { decodeProxyHeader } from '../../src/shared/net/proxy-header.ts';
import type { VisitClosedEvent } from '../../src/shared/tunnel/visit-events.ts';
import { nextEvent, until } from '../helpers/events.ts';
import { ask, type Pair, startPair } from '../helpers/pair.ts';
import { hasServer, startProxyServer } from '../helpers/proxy-servers.ts';
import { startTargets } from '../helpers/target-pair.ts';
import { freePort, startTarget } from '../helpers/targets.ts';

/** Answers at the end with whom the header named, and what was said behind it. */
function judge(socket: Socket): void {
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  socket.on('end', () => {
    const said = Buffer.concat(pieces);
    const header = decodeProxyHeader(said);
    const { source, destination } = header?.ends ?? {};
    const ends = source === undefined ? 'nobody' : `${source.port} to ${destination?.port}`;
    socket.end(`${ends}: ${String(said.subarray(header?.bytes))}`);
  });
}

/** What the target should answer a visitor who said `text`. */
async function expected(visitor: Socket, pair: Pair, text: string): Promise<string> {
  if (visitor.connecting) await once(visitor, 'connect');
  const { port } = pair.server.address ?? pair.client.address ?? {};
  return `${visitor.localPort} to ${port}: ${text}`;
}

for (const flow of ['reverse', 'forward'] as const) {
  for (const proxy of ['v1', 'v2'] as const) {
    test(`${flow}, ${proxy}: the target hears who the visitor is before anything else`, async (t) => {
      await using target = await startTarget(judge);
      const targets = { targets: { proxy } };
      await using pair = await startPair({
        flow,
        tls: 1,
        target: target.port,
        ...(flow === 'forward' ? { tunnelServer: targets } : { tunnelClient: targets }),
      });
      const exit = flow === 'forward' ? pair.server : pair.client;
      const closed = nextEvent<VisitClosedEvent>(exit, 'visitClosed');
      const visitor = pair.visit();
      const wanted = expected(visitor, pair, 'hello');
      t.is(await ask(visitor, 'hello'), await wanted);
      // The visitor's bytes are counted, and the header's are not.
      t.is((await closed).bytesIn, 5);
    });
  }
}

test('a connection that was kept ready says nothing until a visit takes it', async (t) => {
  const sockets: Socket[] = [];
  await using target = await startTarget((socket) => {
    sockets.push(socket);
    judge(socket);
  });
  await using pair = await startTargets([target.port], { proxy: 'v1', warm: 2 });
  for (let visit = 0; visit < 3; visit += 1) {
    await until(() => pair.client.targetStats()[0]?.warm === 2, 'two are ready');
    t.deepEqual(
      sockets.filter(({ writableEnded }) => !writableEnded).map(({ bytesRead }) => bytesRead),
      [0, 0],
    );
    const visitor = pair.visit();
    const wanted = expected(visitor, pair, 'hello');
    t.is(await ask(visitor, 'hello'), await wanted);
  }
});

test('the target that a search finds hears the header once, before what the visitor said', async (t) => {
  await using target = await startTarget(judge);
  await using pair = await startTargets([await freePort(), target.port], { proxy: 'v2', strategy: 'failover' });
  const visitor = pair.visit();
  const wanted = expected(visitor, pair, 'hello');
  t.is(await ask(visitor, 'hello'), await wanted);
  t.is(pair.client.targetStats()[0]?.failed, 1);
});

test('a target on a unix socket hears it, too, and one that speaks first hears it before it is answered', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'poold-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const path = join(folder, 'target');
  const service = createServer({ allowHalfOpen: true }, (socket) => {
    socket.once('data', (header: Buffer) => socket.write(`welcome, ${String(header).split(' ')[4]}; `));
    socket.on('end', () => socket.end('bye'));
  }).listen(path);
  await once(service, 'listening');
  await using pair = await startPair({ target: 1, tunnelClient: { target: { path }, targets: { proxy: 'v1' } } });
  const visitor = pair.visit();
  const [banner] = (await once(visitor, 'data')) as [Buffer];
  t.is(String(banner), `welcome, ${visitor.localPort}; `);
  t.is(await ask(visitor, ''), 'bye');
  service.close();
});

for (const name of ['nginx', 'haproxy'] as const) {
  (hasServer(name) ? test : test.skip)(`${name} believes the header, and its checks pass`, async (t) => {
    await using server = await startProxyServer(name);
    for (const proxy of ['v1', 'v2'] as const) {
      for (const check of ['tcp', { http: '/' }] as const) {
        await using pair = await startTargets([server.port], { proxy, check, checkIntervalMs: 20, fall: 1, warm: 1 });
        const failed: unknown[] = [];
        pair.client.on('targetDown', (event) => failed.push(event));
        for (let visit = 0; visit < 3; visit += 1) {
          const visitor = pair.visit();
          await once(visitor, 'connect');
          const { localPort } = visitor;
          const answer = await ask(visitor, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
          t.is(answer.split('\r\n\r\n')[1], `127.0.0.1 ${localPort} 127.0.0.1 ${pair.server.address?.port}`);
        }
        t.deepEqual(failed, []);
      }
    }
    t.notRegex(server.output, /error|broken|invalid/i);
    // Without the header they hang up: what was seen above was its doing.
    const stranger = connect(server.port, '127.0.0.1').on('error', () => {});
    let answer = '';
    stranger.on('data', (piece: Buffer) => (answer += String(piece))).write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await until(() => stranger.destroyed, 'the server hangs up');
    t.notRegex(answer, / 200 /);
  });
}
