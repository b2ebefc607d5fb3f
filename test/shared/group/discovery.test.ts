import test from 'ava';
import type { DiscoveryError } from '../../../src/shared/errors.ts';
import { Discovery, type DiscoveryOptions } from '../../../src/shared/group/discovery.ts';
import { parseServerSpec } from '../../../src/shared/group/server-spec.ts';
import { formatAddress } from '../../../src/shared/net/address.ts';
import { manualClock } from '../../helpers/clock.ts';
import { a, aaaa, startDns, srv, type Zone } from '../../helpers/dns-server.ts';
import { until } from '../../helpers/events.ts';
import { groupOf } from '../../helpers/fake-group.ts';
import { later } from '../../helpers/later.ts';

/** A discovery that asks a server of these records, over a driven clock. */
async function discover(zone: Zone, specs: DiscoveryOptions['specs'], options: Partial<DiscoveryOptions> = {}) {
  const dns = await startDns(zone);
  const time = manualClock();
  const told: string[] = [];
  const faults: DiscoveryError[] = [];
  const discovery = new Discovery({
    specs,
    resolver: dns.resolver,
    clock: time.clock,
    random: () => 0.5,
    onNodes: (addresses) => void told.push(addresses.map(formatAddress).join(' ')),
    onFault: (error) => void faults.push(error),
    ...options,
  });
  return {
    dns,
    time,
    told,
    faults,
    discovery,
    /** Waits until a lookup has ended: its next one is scheduled. */
    looked: (lookups = 1) => until(() => time.timers === lookups, `${lookups} lookups have ended`),
    async [Symbol.asyncDispose]() {
      discovery.stop();
      await dns[Symbol.asyncDispose]();
    },
  };
}

test('a name stands for all its addresses, IPv4 first, whatever the order of the records', async (t) => {
  const zone = { ...a('pool.test', 60, '10.0.0.2', '10.0.0.1'), ...aaaa('pool.test', 60, 'fd00::2', 'fd00::1') };
  await using found = await discover(zone, ['dns:pool.test:7000']);
  found.discovery.start();
  await found.looked();
  t.deepEqual(found.told, ['10.0.0.1:7000 10.0.0.2:7000 [fd00::1]:7000 [fd00::2]:7000']);
  t.deepEqual(found.discovery.addresses[0], { host: '10.0.0.1', port: 7000 });
  t.deepEqual(found.faults, []);
});

test('a service stands for its hosts and ports, the lowest priority first', async (t) => {
  const zone = {
    ...srv('_poold._tcp.test', ['backup.test', 7000, 20], ['one.test', 7002, 10], ['one.test', 7001, 10]),
    ...a('one.test', 60, '10.0.0.1'),
    ...a('backup.test', 60, '10.0.0.9'),
  };
  await using found = await discover(zone, ['srv:_poold._tcp.test']);
  found.discovery.start();
  await found.looked();
  t.deepEqual(found.told, ['10.0.0.1:7001 10.0.0.1:7002 10.0.0.9:7000']);
  t.is(
    found.dns.asked.filter((text) => text === 'A one.test').length,
    1,
    'a host of several records is asked for once',
  );
});

test('fixed addresses are told at once, in the order of the specs, and each server once', async (t) => {
  const specs = ['10.0.0.1:7000', 'dns:pool.test:7000', 'example.org:7000'];
  await using found = await discover(a('pool.test', 60, '10.0.0.1', '10.0.0.2'), specs);
  found.discovery.start();
  t.deepEqual(found.told, ['10.0.0.1:7000 example.org:7000']);
  await found.looked();
  t.is(found.told.at(-1), '10.0.0.1:7000 10.0.0.2:7000 example.org:7000');
});

test('a name is looked up again when the smallest TTL is over, and only a change is told', async (t) => {
  const zone = { ...a('pool.test', 60, '10.0.0.1'), ...aaaa('pool.test', 30, 'fd00::1') };
  await using found = await discover(zone, ['dns:pool.test:7000']);
  found.discovery.start();
  await found.looked();
  await found.time.advance(29_999);
  t.is(found.dns.asked.length, 2);
  await found.time.advance(1);
  await until(() => found.dns.asked.length >= 4, 'the name is asked for again');
  await found.looked();
  t.is(found.told.length, 1);
  found.dns.zone = a('pool.test', 60, '10.0.0.2');
  await found.time.advance(30_000);
  await until(() => found.told.length === 2, 'the change is told');
  t.is(found.told[1], '10.0.0.2:7000');
});

const bounds: [ttl: number, pauseMs: number][] = [
  [0, 5000],
  [1, 5000],
  [100_000, 300_000],
];

for (const [ttl, pauseMs] of bounds) {
  test(`with a TTL of ${ttl} s the next lookup is after ${pauseMs} ms`, async (t) => {
    await using found = await discover(a('pool.test', ttl, '10.0.0.1'), ['dns:pool.test:7000']);
    found.discovery.start();
    await found.looked();
    await found.time.advance(pauseMs - 1);
    t.is(found.dns.asked.length, 2);
    await found.time.advance(1);
    await until(() => found.dns.asked.length >= 4, 'the name is asked for again');
  });
}

test('a failure keeps what is known, says so, and is tried again later and later until it succeeds', async (t) => {
  await using found = await discover(a('pool.test', 3600, '10.0.0.1'), ['dns:pool.test:7000']);
  found.discovery.start();
  await found.looked();
  found.dns.zone = { 'A pool.test': 'SERVFAIL', 'AAAA pool.test': 'SERVFAIL' };
  await found.time.advance(300_000);
  const pauses: number[] = [];
  for (let failure = 1; failure <= 7; failure += 1) {
    await until(() => found.faults.length === failure, `failure ${failure} is told`);
    const pauseMs = found.faults.at(-1)?.retryInMs ?? 0;
    pauses.push(pauseMs);
    await found.time.advance(pauseMs);
  }
  t.deepEqual(pauses, [505, 1005, 2005, 4005, 8005, 15_005, 15_005]);
  const [fault] = found.faults;
  t.is(fault?.code, 'POOLD_ERR_DISCOVERY');
  t.is(fault?.spec, 'dns:pool.test:7000');
  t.regex(
    fault?.message ?? '',
    /^dns:pool\.test:7000: .*SERVFAIL.*; going on with 1 known addresses, asking again in 505 ms/,
  );
  await until(() => found.faults.length === 8, 'one more failure is told');
  found.dns.zone = a('pool.test', 60, '10.0.0.2');
  await found.time.advance(30_000);
  await until(() => found.told.length === 2, 'the new answer is told');
  t.deepEqual(found.told, ['10.0.0.1:7000', '10.0.0.2:7000']);
  found.dns.zone = {};
  await found.time.advance(60_000);
  await until(() => found.faults.length >= 9, 'the next failure is told');
  t.is(found.faults[8]?.retryInMs, 505, 'pauses start over');
});

const empty: [what: string, zone: Zone, problem: RegExp][] = [
  ['a name that does not exist any more', {}, /pool\.test has no addresses/],
  ['a name without addresses', { 'TXT pool.test': [] }, /pool\.test has no addresses/],
];

for (const [what, zone, problem] of empty) {
  test(`${what} is a failure: servers do not vanish by a slip of the DNS`, async (t) => {
    await using found = await discover(a('pool.test', 5, '10.0.0.1'), ['dns:pool.test:7000']);
    found.discovery.start();
    await found.looked();
    found.dns.zone = zone;
    await found.time.advance(5000);
    await until(() => found.faults.length === 1, 'the failure is told');
    t.regex(found.faults[0]?.message ?? '', problem);
    t.deepEqual(found.told, ['10.0.0.1:7000']);
  });
}

test('when one family fails, the answer of the other is a good one, and what was known of the first is kept', async (t) => {
  const broken: Zone = { ...a('pool.test', 5, '10.0.0.1'), 'AAAA pool.test': 'SERVFAIL' };
  await using found = await discover(broken, ['dns:pool.test:7000']);
  const next = async (zone: Zone): Promise<string | undefined> => {
    const { length } = found.dns.asked;
    found.dns.zone = zone;
    await found.time.advance(4999);
    t.is(found.dns.asked.length, length, 'the TTL counts');
    await found.time.advance(1);
    await until(() => found.dns.asked.length === length + 2 && found.time.timers === 1, 'it is asked again');
    return found.told.at(-1);
  };
  found.discovery.start();
  await found.looked();
  t.deepEqual(found.told, ['10.0.0.1:7000']);
  const both = { ...a('pool.test', 5, '10.0.0.1'), ...aaaa('pool.test', 5, 'fd00::1') };
  t.is(await next(both), '10.0.0.1:7000 [fd00::1]:7000');
  t.is(await next({ ...broken, ...a('pool.test', 5, '10.0.0.2') }), '10.0.0.2:7000 [fd00::1]:7000');
  t.deepEqual(found.faults, []);
});

test('one family that fails while the other has nothing is a failure', async (t) => {
  await using found = await discover({ 'A pool.test': 'SERVFAIL', 'AAAA pool.test': [] }, ['dns:pool.test:7000']);
  found.discovery.start();
  await until(() => found.faults.length === 1, 'the failure is told');
  t.regex(found.faults[0]?.message ?? '', /SERVFAIL/);
});

test('a service that fails, or is said to be closed, keeps its hosts; one whose host fails keeps its addresses', async (t) => {
  const hosts = { ...a('one.test', 5, '10.0.0.1'), ...a('two.test', 5, '10.0.0.2') };
  const service = srv('_poold._tcp.test', ['one.test', 7000, 1], ['two.test', 7000, 2]);
  await using found = await discover({ ...service, ...hosts }, ['srv:_poold._tcp.test']);
  found.discovery.start();
  await found.looked();
  t.deepEqual(found.told, ['10.0.0.1:7000 10.0.0.2:7000']);
  const next = async (zone: Zone): Promise<string> => {
    const before = found.faults.length;
    found.dns.zone = zone;
    await found.time.advance(5000);
    await until(() => found.faults.length > before, 'the failure is told');
    return found.faults.at(-1)?.message ?? '';
  };
  t.regex(await next(hosts), /querySrv ENOTFOUND/);
  t.regex(await next({ ...srv('_poold._tcp.test', ['.', 0, 0]), ...hosts }), /has no servers/);
  t.regex(await next({ ...service, ...hosts, 'A two.test': 'SERVFAIL', 'AAAA two.test': [] }), /SERVFAIL/);
  t.is(found.told.length, 1);
  t.is(found.discovery.addresses.length, 2);
});

test('a host that a service no longer names is forgotten', async (t) => {
  const both = srv('_poold._tcp.test', ['one.test', 7000, 1], ['two.test', 7000, 2]);
  const hosts = { ...a('one.test', 5, '10.0.0.1'), ...a('two.test', 5, '10.0.0.2') };
  await using found = await discover({ ...both, ...hosts }, ['srv:_poold._tcp.test']);
  found.discovery.start();
  await found.looked();
  found.dns.zone = { ...srv('_poold._tcp.test', ['one.test', 7000, 1]), ...hosts };
  await found.time.advance(5000);
  await until(() => found.told.length === 2, 'the change is told');
  found.dns.zone = { ...both, ...hosts, 'A two.test': 'SERVFAIL' };
  await found.time.advance(5000);
  await until(() => found.faults.length > 0, 'the failure is told');
  t.deepEqual(found.told, ['10.0.0.1:7000 10.0.0.2:7000', '10.0.0.1:7000']);
});

test('a resolver that tells the TTL of a service is listened to', async (t) => {
  const time = manualClock();
  let asked = 0;
  const discovery = new Discovery({
    specs: ['srv:_poold._tcp.test'],
    clock: time.clock,
    onNodes: () => undefined,
    resolver: {
      resolve4: () => Promise.resolve([{ address: '10.0.0.1', ttl: 60 }]),
      resolve6: () => Promise.resolve([]),
      resolveSrv: () => {
        asked += 1;
        return Promise.resolve([{ name: 'one.test', port: 7000, priority: 0, ttl: 10 }]);
      },
    },
  });
  discovery.start();
  await time.advance(9999);
  t.is(asked, 1);
  await time.advance(1);
  t.is(asked, 2);
  discovery.stop();
});

test('one name that fails holds up no other', async (t) => {
  const zone = { ...a('good.test', 60, '10.0.0.1'), 'A bad.test': 'SERVFAIL', 'AAAA bad.test': 'SERVFAIL' } as const;
  await using found = await discover(zone, ['dns:bad.test:7000', 'dns:good.test:7000']);
  found.discovery.start();
  await found.looked(2);
  t.deepEqual([found.told, found.faults.map(({ spec }) => spec)], [['10.0.0.1:7000'], ['dns:bad.test:7000']]);
});

test('a name that is answered again after failures is told once', async (t) => {
  const recovered: string[] = [];
  const zone: Zone = { 'A pool.test': 'SERVFAIL', 'AAAA pool.test': 'SERVFAIL' };
  await using found = await discover(zone, ['dns:pool.test:7000'], { onRecovered: (spec) => recovered.push(spec) });
  found.discovery.start();
  await until(() => found.faults.length === 1, 'the failure is told');
  found.dns.zone = a('pool.test', 5, '10.0.0.1');
  for (let lookups = 2; lookups <= 3; lookups += 1) {
    await found.time.advance(5000);
    await until(() => found.dns.asked.length === 2 * lookups && found.time.timers === 1, 'it is asked again');
    t.deepEqual(recovered, ['dns:pool.test:7000']);
  }
});

test('a stop cancels what is being asked, so that a silent DNS holds no process', (t) => {
  let cancelled = 0;
  const silent = (): Promise<never> => new Promise(() => {});
  const discovery = new Discovery({
    specs: ['dns:pool.test:7000'],
    onNodes: () => t.fail(),
    resolver: { resolve4: silent, resolve6: silent, resolveSrv: silent, cancel: () => (cancelled += 1) },
  });
  discovery.stop();
  t.is(cancelled, 0);
  discovery.start();
  discovery.stop();
  discovery.stop();
  t.is(cancelled, 1);
});

test('specs may be given as they were read, and each tells its own servers', async (t) => {
  const specs = ['dns:pool.test:7000', '10.0.0.9:7000'].map(parseServerSpec);
  await using found = await discover(a('pool.test', 60, '10.0.0.1'), specs);
  found.discovery.start();
  await found.looked();
  t.deepEqual(found.told, ['10.0.0.9:7000', '10.0.0.1:7000 10.0.0.9:7000']);
  t.deepEqual(
    specs.map((spec) => found.discovery.addressesOf(spec).map(formatAddress)),
    [['10.0.0.1:7000'], ['10.0.0.9:7000']],
  );
});

test('after a stop nothing is told or asked; a start goes on', async (t) => {
  await using found = await discover(a('pool.test', 60, '10.0.0.1'), ['dns:pool.test:7000']);
  found.discovery.start();
  found.discovery.stop();
  await until(() => found.dns.asked.length === 2, 'the first lookup has gone out');
  found.discovery.start();
  found.discovery.start();
  await found.looked();
  t.deepEqual([found.told, found.dns.asked.length], [['10.0.0.1:7000'], 4]);
  found.discovery.stop();
  t.is(found.time.timers, 0);
});

test('what a listener throws is thrown later, and the lookups go on', async (t) => {
  const mistake = new Error('of a listener');
  const time = manualClock();
  const discovery = new Discovery({
    specs: ['10.0.0.1:7000'],
    clock: time.clock,
    onNodes: () => {
      throw mistake;
    },
  });
  t.deepEqual(
    later(() => discovery.start()),
    [mistake],
  );
  t.is(discovery.addresses.length, 1);
});

test('options that cannot be used are named', (t) => {
  const onNodes = (): void => undefined;
  const code = 'POOLD_ERR_INVALID_OPTION';
  t.throws(() => new Discovery({ specs: ['dns:nowhere'], onNodes }), { code, message: /^specs: "dns:nowhere" is not/ });
  t.throws(() => new Discovery({ specs: [], onNodes, minTtlMs: 10, maxTtlMs: 5 }), {
    code,
    message: /^minTtlMs: 10 is/,
  });
});

test('what is found becomes the nodes of a group', async (t) => {
  const { group } = groupOf();
  const options: Partial<DiscoveryOptions> = {
    onNodes: (addresses) =>
      void group.updateNodes(addresses.map((address) => ({ name: formatAddress(address), address }))),
  };
  await using found = await discover(a('pool.test', 5, '10.0.0.1', '10.0.0.2'), ['dns:pool.test:7000'], options);
  found.discovery.start();
  await found.looked();
  t.deepEqual(
    group.nodes.map(({ name, address }) => [name, address]),
    [
      ['10.0.0.1:7000', { host: '10.0.0.1', port: 7000 }],
      ['10.0.0.2:7000', { host: '10.0.0.2', port: 7000 }],
    ],
  );
  const added: string[] = [];
  group.on('nodeAdded', ({ node }) => added.push(node));
  found.dns.zone = a('pool.test', 5, '10.0.0.2', '10.0.0.3');
  await found.time.advance(5000);
  await until(() => group.nodes.length === 2 && added.length === 1, 'the nodes have changed');
  t.deepEqual([group.nodes.map(({ name }) => name), added], [['10.0.0.2:7000', '10.0.0.3:7000'], ['10.0.0.3:7000']]);
});

test('a name stands for 64 servers at most, the same ones each time, and that there are more is told once', async (t) => {
  const all = Array.from({ length: 200 }, (_, n) => `10.0.0.${n + 1}`);
  let answer = all;
  let asked: readonly string[] = [];
  const resolver = {
    resolve4: (host: string) => {
      asked = [...asked, host];
      return Promise.resolve(answer.map((address) => ({ address, ttl: 5 })));
    },
    resolve6: () => Promise.resolve([]),
    resolveSrv: () => Promise.resolve(all.map((name) => ({ name, port: 1, priority: 1 }))),
  };
  await using found = await discover({}, ['dns:pool.test:1'], { resolver });
  const { discovery, faults, time, told } = found;
  discovery.start();
  await found.looked();
  t.is(discovery.addresses.length, 64);
  answer = all.toReversed();
  await time.advance(5000);
  await found.looked();
  t.is(told.length, 1);
  t.deepEqual(
    faults.map(({ message }) => message),
    [
      'dns:pool.test:1: it has more than 64 servers; the others are left out; going on with 64 known addresses, ' +
        'asking again in 5000 ms; check the name and the DNS servers',
    ],
  );
  // It is news again only when it was over.
  for (const length of [64, 65]) {
    answer = all.slice(0, length);
    await time.advance(5000);
    await found.looked();
  }
  t.is(faults.length, 2);
  // A service of as many hosts costs no more lookups either.
  asked = [];
  await using service = await discover({}, ['srv:_poold._tcp.test'], { resolver });
  service.discovery.start();
  await service.looked();
  t.is(service.discovery.addresses.length, 64);
  t.is(asked.length, 64);
});
