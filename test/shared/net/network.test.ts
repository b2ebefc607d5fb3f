import test from 'ava';
import fc from 'fast-check';
import { normaliseIp } from '../../../src/shared/net/address.ts';
import { networkOf } from '../../../src/shared/net/network.ts';

const cases: [ip: string, network: string][] = [
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:DB8:1:2::9', '2001:db8:1:2::/64'],
  ['2001:db8:1:2:ffff:ffff:ffff:ffff', '2001:db8:1:2::/64'],
  ['2001:db8:1:3::9', '2001:db8:1:3::/64'],
  ['2001:db8::9', '2001:db8:0:0::/64'],
  ['2001:db8::5:0:0:9', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['::', '0:0:0:0::/64'],
  ['1::2:3:4:5:6', '1:0:0:2::/64'],
  ['2001:db8:0:1::', '2001:db8:0:1::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
];

for (const [ip, network] of cases) {
  test(`${ip} is of ${network}`, (t) => {
    t.is(networkOf(ip), network);
  });
}

test('what is no address is refused', (t) => {
  t.throws(() => networkOf('unix'), { instanceOf: RangeError });
});

test('two IPv6 addresses count as one exactly when their first 64 bits are equal', (t) => {
  const group = fc.oneof(fc.constant(0), fc.nat(0xffff));
  const groups = fc.array(group, { minLength: 8, maxLength: 8 });
  const text = (parts: readonly number[]): string => parts.map((part) => part.toString(16)).join(':');
  const keyOf = (parts: readonly number[]): string => networkOf(normaliseIp(text(parts)));
  fc.assert(
    fc.property(groups, groups, fc.nat(8), (a, b, shared) => {
      const other = [...a.slice(0, shared), ...b.slice(shared)];
      // Else it is an IPv4 address.
      fc.pre([a, other].every((parts) => parts.slice(0, 5).some((part) => part !== 0)));
      const same = text(a.slice(0, 4)) === text(other.slice(0, 4));
      t.is(keyOf(a) === keyOf(other), same);
    }),
  );
});
