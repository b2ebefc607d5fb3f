import test from 'ava';
import { InvalidOptionError } from '../../../src/shared/errors.ts';
import type { VisitorAddress } from '../../../src/shared/tunnel/visitor-addresses.ts';
import { VisitorGate } from '../../../src/shared/tunnel/visitor-gate.ts';
import { visitorRules, type VisitorsOptions } from '../../../src/shared/tunnel/visitor-rules.ts';
import { manualClock } from '../../helpers/clock.ts';

function startGate(options: VisitorsOptions) {
  const time = manualClock();
  const gate = new VisitorGate(visitorRules(options), time.clock);
  const inside: VisitorAddress[] = [];
  /** Lets one in, or says why not. */
  const come = (ip?: string): string => {
    const place = gate.enter(ip);
    if (typeof place === 'string') return place;
    inside.push(place);
    return 'in';
  };
  const leave = (): void => {
    const place = inside.shift();
    if (place !== undefined) gate.leave(place);
  };
  return { gate, time, come, leave };
}

test('without rules everyone comes in, and no clock is asked', (t) => {
  const { gate, time, come } = startGate({});
  for (const ip of ['10.0.0.1', '::1', '2001:db8::1', undefined]) t.is(come(ip), 'in');
  t.is(gate.stats.visitors, 4);
  t.is(gate.stats.addresses, 4);
  t.is(time.timers, 0);
});

test('case 16: who is denied, and who is not allowed, stays out', (t) => {
  const { gate, come } = startGate({ allow: ['10.0.0.0/8', '2001:db8::/32'], deny: ['10.6.6.6'] });
  t.is(come('10.1.1.1'), 'in');
  t.is(come('::ffff:10.1.1.1'), 'in');
  t.is(come('2001:db8::5'), 'in');
  for (const ip of ['10.6.6.6', '::ffff:10.6.6.6', '192.0.2.1', '::1', undefined]) t.is(come(ip), 'denied');
  t.is(gate.stats.refused.denied, 5);
  // Nothing is kept of them.
  t.is(gate.stats.addresses, 2);
});

test('case 16: at the most visitors the next is refused, and let in when one has left', (t) => {
  const { gate, come, leave } = startGate({ maxVisitors: 2 });
  t.deepEqual([come('10.0.0.1'), come('10.0.0.2'), come('10.0.0.3')], ['in', 'in', 'full']);
  leave();
  t.is(come('10.0.0.3'), 'in');
  t.deepEqual(gate.stats, {
    visitors: 2,
    addresses: 3,
    refused: {
      ...{ denied: 0, full: 1, address: 0, rate: 0, descriptors: 0, 'queue-full': 0, timeout: 0 },
      ...{ host: 0, 'proxy-header': 0, preface: 0 },
    },
  });
});

test('case 16: one address does not take more than its share, an IPv6 /64 counts as one', (t) => {
  const { come, leave } = startGate({ maxVisitorsPerAddress: 2 });
  t.deepEqual([come('10.0.0.1'), come('::ffff:10.0.0.1'), come('10.0.0.1')], ['in', 'in', 'address']);
  t.is(come('10.0.0.2'), 'in');
  t.deepEqual([come('2001:db8::1'), come('2001:db8::2'), come('2001:db8::3')], ['in', 'in', 'address']);
  t.is(come('2001:db8:0:1::1'), 'in');
  leave();
  t.is(come('10.0.0.1'), 'in');
});

test('case 16: more new visitors a second than the rate, and than the burst at once, are refused', async (t) => {
  const { time, come, leave } = startGate({ visitorRate: 2, visitorBurst: 3 });
  const visit = (ip: string): string => {
    const answer = come(ip);
    if (answer === 'in') leave();
    return answer;
  };
  const four = (ip: string): string => Array.from({ length: 4 }, () => visit(ip)).join(' ');
  t.is(four('10.0.0.1'), 'in in in rate');
  t.is(four('10.0.0.2'), 'in in in rate');
  await time.advance(500);
  t.is(four('10.0.0.1'), 'in rate rate rate');
  await time.advance(60_000);
  t.is(four('10.0.0.1'), 'in in in rate');
  t.is(time.timers, 0);
});

test('who is refused for the number of visitors keeps its tokens', async (t) => {
  const { come, leave } = startGate({ visitorRate: 1, visitorBurst: 2, maxVisitorsPerAddress: 1 });
  t.deepEqual([come('10.0.0.1'), come('10.0.0.1'), come('10.0.0.1')], ['in', 'address', 'address']);
  leave();
  t.is(come('10.0.0.1'), 'in');
});

test('new rules hold for who comes from now on, and count who is in', (t) => {
  const { gate, come, leave } = startGate({});
  t.deepEqual([come('10.0.0.1'), come('10.0.0.2')], ['in', 'in']);
  gate.rules = visitorRules({ maxVisitors: 1, deny: ['10.0.0.2'] });
  t.is(gate.stats.visitors, 2);
  t.deepEqual([come('10.0.0.1'), come('10.0.0.2')], ['full', 'denied']);
  leave();
  leave();
  t.is(come('10.0.0.1'), 'in');
  gate.rules = visitorRules({ visitorRate: 1 });
  t.deepEqual([come('10.0.0.2'), come('10.0.0.2')], ['in', 'rate']);
});

const wrong: [options: object, option: string][] = [
  [{ allow: ['10.0.0.0/8', 'example.org'] }, 'visitors.allow'],
  [{ deny: ['10.0.0.0/33'] }, 'visitors.deny'],
  [{ deny: '10.0.0.1' }, 'visitors.deny'],
  [{ maxVisitors: 0 }, 'visitors.maxVisitors'],
  [{ maxVisitorsPerAddress: 1.5 }, 'visitors.maxVisitorsPerAddress'],
  [{ visitorRate: -1 }, 'visitors.visitorRate'],
  [{ visitorBurst: 5 }, 'visitors.visitorBurst'],
  [{ visitorRate: 0, visitorBurst: 5 }, 'visitors.visitorBurst'],
  [{ max: 5 }, 'visitors.max'],
];

for (const [options, option] of wrong) {
  test(`${JSON.stringify(options)} is refused by the name ${option}`, (t) => {
    const error = t.throws(() => visitorRules(options as VisitorsOptions), { instanceOf: InvalidOptionError });
    t.is(error?.option, option);
  });
}
