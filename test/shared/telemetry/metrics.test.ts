import { execFileSync, spawnSync } from 'node:child_process';
import { type EventEmitter, once } from 'node:events';
import test from 'ava';
import type { TunnelServer } from '../../../src/server/tunnel-server.ts';
import { systemClock } from '../../../src/shared/clock.ts';
import { ClientWatch } from '../../../src/shared/telemetry/client-watch.ts';
import {
  HISTOGRAM_FAMILIES,
  LISTENER_FAMILIES,
  NUMBER_FAMILIES,
  PUBLIC_FAMILIES,
} from '../../../src/shared/telemetry/families.ts';
import { metricsText, ProcessWatch } from '../../../src/shared/telemetry/metrics.ts';
import { ServerWatch } from '../../../src/shared/telemetry/server-watch.ts';
import { DatagramCounts } from '../../../src/shared/tunnel/datagram-stats.ts';
import { until } from '../../helpers/events.ts';
import { ask, type Pair, startPair, TOKEN } from '../../helpers/pair.ts';
import { echo, freePort, startTarget } from '../../helpers/targets.ts';
import { startUdp, startUdpPair, startVisitor } from '../../helpers/udp.ts';

/** The value of a sample, by its name and some of its labels. */
function valueOf(text: string, name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
  const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`));
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  const found = lines.find((line) => wanted.every((label) => line.includes(label)));
  return found === undefined ? undefined : Number(found.split(' ').at(-1));
}

const LISTENER = { listen: '127.0.0.1:7000', arriving: 1, slowedAddresses: 0, handshakesFailed: { SOME: 2 } };

const PUBLIC = { listen: '0.0.0.0:443', reading: 1, refused: { host: 3 } };

function watchBoth(pair: Pair) {
  const watches = [new ServerWatch('web', pair.server, systemClock), new ClientWatch('web', pair.client, systemClock)];
  return {
    stop: () => watches.forEach((watch) => watch.stop()),
    snapshots: () => watches.map((watch) => watch.snapshot()),
    text: () => metricsText({ tunnels: watches.map((watch) => watch.snapshot()), listeners: [], publics: [] }, []),
  };
}

const four = { minCapacity: 4, maxCapacity: 4 };
const atServer = { tunnel: 'web', side: 'server' };
const atClient = { tunnel: 'web', side: 'client' };

test('bytes move while a visit is on, at both ends, for the tunnel and for the peer', async (t) => {
  await using target = await startTarget(echo);
  await using pair = await startPair({ target: target.port, client: four });
  const watch = watchBoth(pair);
  const visitor = pair.visit();
  visitor.write('hello');
  await once(visitor, 'data');
  const during = await watch.text();
  for (const side of [atServer, atClient]) {
    t.is(valueOf(during, 'poold_visits', side), 1);
    t.is(valueOf(during, 'poold_visits_opened_total', side), 1);
    t.is(valueOf(during, 'poold_received_bytes_total', side), 5);
    t.is(valueOf(during, 'poold_sent_bytes_total', side), 5);
    t.is(valueOf(during, 'poold_connections_in_use', side), 1);
    t.is(valueOf(during, 'poold_connections_idle', side), 3);
    t.is(valueOf(during, 'poold_visit_duration_seconds_count', side), 0);
  }
  const { client } = pair.client.pool;
  t.is(valueOf(during, 'poold_peer_received_bytes_total', { ...atServer, peer: client }), 5);
  const [{ server: name } = { server: '' }] = pair.client.servers.entries;
  t.is(valueOf(during, 'poold_peer_sent_bytes_total', { ...atClient, peer: name }), 5);
  t.is(await ask(visitor, ' again'), ' again');
  await until(() => pair.server.visits + pair.client.visits === 0, 'the visit is over');
  const after = await watch.text();
  for (const side of [atServer, atClient]) {
    t.is(valueOf(after, 'poold_visits', side), 0);
    t.is(valueOf(after, 'poold_received_bytes_total', side), 11);
    t.is(valueOf(after, 'poold_visits_closed_total', { ...side, reason: 'done' }), 1);
    t.is(valueOf(after, 'poold_visit_duration_seconds_bucket', { ...side, le: '+Inf' }), 1);
  }
  t.is(valueOf(after, 'poold_acquire_wait_seconds_count', atServer), 1);
  t.is(valueOf(after, 'poold_acquire_wait_seconds_count', atClient), 0);
});

test('in a forward tunnel visitors wait at the client, and the target is the server’s', async (t) => {
  await using target = await startTarget(echo);
  await using pair = await startPair({ target: target.port, client: four, flow: 'forward' });
  const watch = watchBoth(pair);
  t.is(await ask(pair.visit(), 'hello'), 'hello');
  await until(() => pair.server.visits + pair.client.visits === 0, 'the visit is over');
  const text = await watch.text();
  t.is(valueOf(text, 'poold_acquire_wait_seconds_count', atClient), 1);
  t.is(valueOf(text, 'poold_acquire_wait_seconds_count', atServer), 0);
  t.is(valueOf(text, 'poold_target_visits_total', atServer), 1);
  t.is(valueOf(text, 'poold_peer_visits_total', { ...atServer, peer: pair.client.pool.client }), 1);
  t.deepEqual(
    watch.snapshots().map(({ flow, entrance }) => [flow, entrance !== undefined]),
    [
      ['forward', false],
      ['forward', true],
    ],
  );
});

test('a watcher that is taken off listens no more', async (t) => {
  await using target = await startTarget(echo);
  await using pair = await startPair({ target: target.port, client: four });
  const { server } = pair;
  const before = listenersOf(server);
  const watch = watchBoth(pair);
  t.true(listenersOf(server) > before);
  watch.stop();
  t.is(listenersOf(server), before);
  t.is(await ask(pair.visit(), 'hello'), 'hello');
  t.true(watch.snapshots().every(({ visits }) => visits.opened === 0));
});

function listenersOf(server: TunnelServer): number {
  const count = (source: EventEmitter): number =>
    source.eventNames().reduce((sum, name) => sum + source.listenerCount(name), 0);
  return count(server) + count(server.pool);
}

test('a client that has left leaves no series behind, and the totals stay', async (t) => {
  await using target = await startTarget(echo);
  await using pair = await startPair({ target: target.port, client: four });
  const watch = watchBoth(pair);
  t.is(await ask(pair.visit(), 'hello'), 'hello');
  const { client } = pair.client.pool;
  t.true((await watch.text()).includes(client));
  await pair.client.close({ graceMs: 0 });
  await until(() => pair.server.pool.size === 0, 'the client has left');
  const text = await watch.text();
  t.false(text.includes(client));
  t.is(valueOf(text, 'poold_peers', atServer), 0);
  t.is(valueOf(text, 'poold_visits_opened_total', atServer), 1);
  t.is(valueOf(text, 'poold_received_bytes_total', atServer), 5);
  t.is(valueOf(text, 'poold_ready', atClient), 0);
});

test('a client that comes back is counted anew', async (t) => {
  await using target = await startTarget(echo);
  await using pair = await startPair({ target: target.port, client: four });
  const watch = watchBoth(pair);
  const peer = () => watch.snapshots()[0]?.peers[0];
  t.is(await ask(pair.visit(), 'hello'), 'hello');
  await until(() => pair.server.visits === 0, 'the visit is over');
  t.like(peer(), { peer: pair.client.pool.client, visits: 1, bytesReceived: 5 });
  pair.server.pool.flush();
  t.is(peer(), undefined);
  await until(() => peer() !== undefined, 'the client is back');
  t.like(peer(), { peer: pair.client.pool.client, visits: 0, bytesReceived: 0 });
});

test('what fails is counted by its reason', async (t) => {
  await using pair = await startPair({ target: await freePort(), client: four, tunnelServer: { waitMs: 1 } });
  const watch = watchBoth(pair);
  await t.throwsAsync(once(pair.visit().resume(), 'end'));
  await until(() => pair.server.visits + pair.client.visits === 0, 'the visit is over');
  const reset = await watch.text();
  t.is(valueOf(reset, 'poold_visits_closed_total', { ...atServer, reason: 'reset' }), 1);
  t.is(valueOf(reset, 'poold_visits_closed_total', { ...atClient, reason: 'broken' }), 1);
  t.is(valueOf(reset, 'poold_target_failures_total', atClient), 1);
  t.is(valueOf(reset, 'poold_target_up', atClient), 0);
  await pair.client.close({ graceMs: 0 });
  await until(() => pair.server.pool.size === 0, 'the client has left');
  await t.throwsAsync(once(pair.visit().resume(), 'end'));
  const refused = await watch.text();
  t.is(valueOf(refused, 'poold_visits_refused_total', { ...atServer, reason: 'timeout' }), 1);
  t.is(valueOf(refused, 'poold_connections_closed_total', { ...atClient, reason: 'pool-closed' }), 4);
});

test('a client whose server is away shows its failed dials and its breaker', async (t) => {
  await using target = await startTarget(echo);
  await using pair = await startPair({ target: target.port, client: { ...four, maxConnecting: 4 } });
  const watch = watchBoth(pair);
  t.is(valueOf(await watch.text(), 'poold_peer_breaker_state', atClient), 0);
  t.is(valueOf(await watch.text(), 'poold_peer_healthy', atClient), 1);
  pair.server.pool.destroy();
  await until(() => watch.snapshots()[1]?.peers[0]?.breaker === 'open', 'the breaker is open');
  const text = await watch.text();
  t.is(valueOf(text, 'poold_peer_breaker_state', atClient), 2);
  t.true((valueOf(text, 'poold_dial_failures_total', { ...atClient, reason: 'connect' }) ?? 0) > 0);
});

test('flows, datagrams, and those that were dropped are told, by reason', async (t) => {
  await using service = await startUdp();
  await using pair = await startUdpPair({ target: service.port, tunnelServer: { bandwidth: { upload: 1024 } } });
  const watch = watchBoth(pair);
  await using visitor = await startVisitor(pair.port);
  await visitor.ask(Buffer.alloc(60_000));
  visitor.send(Buffer.alloc(60_000));
  await until(() => pair.stats().entrance.dropped.limited === 1, 'one was too much');
  const text = await watch.text();
  for (const side of [atServer, atClient]) {
    for (const name of [
      'flows',
      'flow_carriers',
      'flows_opened_total',
      'datagrams_received_total',
      'datagrams_sent_total',
    ])
      t.is(valueOf(text, `poold_${name}`, side), 1, name);
    t.is(valueOf(text, 'poold_flows_displaced_total', side), 0);
    const limited = valueOf(text, 'poold_datagrams_dropped_total', { ...side, reason: 'limited' });
    t.is(limited, side === atServer ? 1 : 0);
  }
  t.is(valueOf(text, 'poold_bandwidth_limit_bytes_per_second', { ...atServer, direction: 'upload' }), 1024);
  t.is(valueOf(text, 'poold_bandwidth_limit_bytes_per_second', { direction: 'download' }), undefined);
});

test('the time is told in which a limit held visits back', async (t) => {
  await using target = await startTarget(echo);
  const bandwidth = { download: 1_000_000 };
  await using pair = await startPair({ target: target.port, client: four, tunnelClient: { bandwidth } });
  const watch = watchBoth(pair);
  await ask(pair.visit(), 'x'.repeat(200_000));
  const text = await watch.text();
  const seconds = valueOf(text, 'poold_throttled_seconds_total', { ...atClient, direction: 'download' }) ?? 0;
  t.true(seconds > 0.05 && seconds < 60, `${seconds}`);
  t.is(valueOf(text, 'poold_flows', atClient), undefined);
});

const promtool = spawnSync('promtool', ['--version']).error === undefined ? test : test.skip;
if (promtool === test.skip)
  console.error('SKIPPED: promtool is not installed (package prometheus), the metrics are not linted');

promtool('Prometheus itself finds nothing wrong with the text', async (t) => {
  await using target = await startTarget(echo);
  await using pair = await startPair({ target: target.port, client: four });
  const watch = watchBoth(pair);
  t.is(await ask(pair.visit(), 'hello'), 'hello');
  const processes = [await new ProcessWatch('0').metrics(), await new ProcessWatch('1').metrics()];
  // With all that a tunnel may have.
  const datagrams = new DatagramCounts().snapshot({ flows: 1, carriers: 1 });
  const bandwidth = { upload: { bytesPerSecond: 1024, throttledMs: 1 } };
  const tunnels = watch.snapshots().map((snapshot) => Object.assign({}, snapshot, { datagrams, bandwidth }));
  const text = await metricsText({ tunnels, listeners: [LISTENER], publics: [PUBLIC] }, processes);
  t.notThrows(() => execFileSync('promtool', ['check', 'metrics'], { input: text, stdio: 'pipe' }));
  t.regex(text, /^nodejs_eventloop_lag_p99_seconds\{process="1"\} /m);
  for (const { name } of [...NUMBER_FAMILIES, ...HISTOGRAM_FAMILIES, ...LISTENER_FAMILIES, ...PUBLIC_FAMILIES])
    t.true(text.includes(`# TYPE ${name} `), name);
  t.true(text.includes('poold_handshakes_failed_total{listen="127.0.0.1:7000",reason="SOME"} 2'));
  t.true(text.includes('poold_public_refused_total{listen="0.0.0.0:443",reason="host"} 3'));
  t.false(text.includes(TOKEN));
  t.throws(() =>
    execFileSync('promtool', ['check', 'metrics'], { input: text.replaceAll('_total', ''), stdio: 'pipe' }),
  );
});
