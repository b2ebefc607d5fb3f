import { subscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import test from 'ava';
import { ClientPool } from '../../src/client/client-pool.ts';
import { PassListener, passVisitor } from '../../src/server/visitor-pass.ts';
import { HttpBalancer } from '../../src/balancer/http-balancer.ts';
import { socketFactory } from '../../src/shared/request/socket-factory.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { StallWatch } from '../../src/shared/relay/stall-watch.ts';
import { startAdminPair } from '../helpers/admin.ts';
import { until } from '../helpers/events.ts';
import { testCertificates } from '../helpers/certificates.ts';
import { ask, startPair, TOKEN } from '../helpers/pair.ts';
import { startHttpProxy, startSocksProxy } from '../helpers/proxies.ts';
import { echo, startTarget } from '../helpers/targets.ts';

/** What Node has of the system's socket. */
interface Handle {
  setNoDelay?(on: boolean): unknown;
  /** Below TLS. */
  readonly _parent?: Handle;
}

/** A socket of this process, at the moment when it is connected. */
interface Seen {
  readonly handle: Handle;
  readonly side: 'accepted' | 'dialled';
  /** The listener's port. */
  readonly port: number | undefined;
}

const seen: Seen[] = [];
/** The system's sockets that were told not to wait with small writes. */
const quick = new WeakSet<Handle>();

function handleOf(holder: object): Handle {
  return (holder as { _handle: Handle })._handle;
}

test.before(async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const kind = Object.getPrototypeOf(handleOf(server)) as Required<Handle>;
  const { setNoDelay } = kind;
  kind.setNoDelay = function (this: Handle, on) {
    if (on) quick.add(this);
    return setNoDelay.call(this, on);
  };
  server.close();
  subscribe('net.server.socket', (message) => {
    const { socket } = message as { socket: Socket };
    seen.push({ handle: handleOf(socket), side: 'accepted', port: socket.localPort });
  });
  subscribe('net.client.socket', (message) => {
    const { socket } = message as { socket: Socket };
    socket.once('connect', () => {
      if (handleOf(socket) !== null) seen.push({ handle: handleOf(socket), side: 'dialled', port: socket.remotePort });
    });
  });
});

test('no socket of either side waits with small writes', async (t) => {
  await using one = await startTarget(echo);
  await using two = await startTarget(echo);
  await using http = await startHttpProxy();
  await using socks = await startSocksProxy();
  await using direct = await startAdminPair();
  await using reverse = await startPair({
    tls: 1,
    target: one.port,
    client: { minCapacity: 2, proxy: `http://127.0.0.1:${http.port}` },
    tunnelClient: { targets: { check: 'tcp', warm: 1 } },
  });
  await using forward = await startPair({
    flow: 'forward',
    target: two.port,
    client: { minCapacity: 2, proxy: `socks5://127.0.0.1:${socks.port}` },
    tunnelServer: { targets: { check: { http: '/' } } },
  });
  for (const pair of [direct.pair, reverse, forward]) t.is(await ask(pair.visit(), 'hello'), 'hello');
  await (await fetch(`http://127.0.0.1:${direct.port}/healthz`)).text();
  await until(() => two.accepted >= 2, 'the check has been there');

  const secret = Buffer.alloc(16, 'secret');
  const listener = new PassListener(secret, systemClock, (socket, visitor) => {
    direct.pair.server.welcome(socket, visitor);
    return true;
  });
  const pass = await listener.start();
  const stallWatch = new StallWatch(systemClock, 0);
  const passing = createServer({ allowHalfOpen: true }, (socket) => {
    const visitor = { tunnel: 'web', remote: '127.0.0.1:1', local: '127.0.0.1:2' };
    const rules = { secret, stallWatch, clock: systemClock, onFailed: t.fail, onEnd: () => {} };
    passVisitor({ ...rules, socket, visitor, port: pass });
  }).listen(0, '127.0.0.1');
  await once(passing, 'listening');
  const { port } = passing.address() as { port: number };
  t.is(await ask(connect({ port, host: '127.0.0.1', allowHalfOpen: true }), 'passed'), 'passed');
  passing.close();
  listener.close();

  await using balancer = new HttpBalancer({ listen: '127.0.0.1:0', servers: [`127.0.0.1:${direct.port}`] });
  await balancer.start();
  const balanced = balancer.address?.port;
  await (await fetch(`http://127.0.0.1:${balanced}/healthz`)).text();

  const { authority, localhost } = await testCertificates();
  const secure = createTlsServer(localhost).listen(0, '127.0.0.1');
  await once(secure, 'listening');
  const { port: securePort } = secure.address() as { port: number };
  const factory = socketFactory({ host: '127.0.0.1', port: one.port });
  const tls = { ca: authority.cert, servername: 'localhost' };
  const secureFactory = socketFactory({ host: '127.0.0.1', port: securePort, tls });
  const { signal } = new AbortController();
  for (const each of [factory, secureFactory]) {
    const socket = await each.create({ signal });
    const handle = handleOf(socket);
    t.true(quick.has(handle._parent ?? handle), 'of requests');
    await each.destroy(socket);
  }
  secure.close();

  const { port: server = 0 } = direct.pair.server.pool.address ?? {};
  await using own = new ClientPool({
    async dial() {
      const socket = connect({ port: server, host: '127.0.0.1' });
      await once(socket, 'connect');
      return socket;
    },
    tls: { mode: 0 },
    token: TOKEN,
    minCapacity: 1,
  });
  await own.start();
  await own.warmed(1);

  const kinds: [what: string, side: Seen['side'], port: number | undefined][] = [
    ['pooled, at a server', 'accepted', server],
    ['pooled, at a client, by itself and by a function', 'dialled', server],
    ['pooled, at a server with TLS', 'accepted', reverse.server.pool.address?.port],
    ['pooled, through an HTTP proxy', 'dialled', http.port],
    ['pooled, through a SOCKS proxy', 'dialled', socks.port],
    ['a visitor', 'accepted', direct.pair.server.address?.port],
    ['a visitor of a forward tunnel', 'accepted', forward.client.address?.port],
    ['a target, a warm one and a check', 'dialled', one.port],
    ['a target and a check by HTTP', 'dialled', two.port],
    ['passed on, where it comes from', 'dialled', pass],
    ['passed on, where it arrives', 'accepted', pass],
    ['the admin address, and a server of a balancer', 'accepted', direct.port],
    ['a server of a balancer', 'dialled', direct.port],
    ['a client of a balancer', 'accepted', balanced],
  ];
  for (const [what, side, at] of kinds) {
    const sockets = seen.filter((socket) => socket.side === side && socket.port === at);
    t.true(sockets.length > 0, what);
    t.true(
      sockets.every(({ handle }) => quick.has(handle)),
      what,
    );
  }
});
