import test from 'ava';
import fc from 'fast-check';
import { normaliseIp } from '../../../src/shared/net/address.ts';
import { addressKey } from '../../../src/shared/net/address-key.ts';

const rows: [ip: string | undefined, key: string][] = [
  [undefined, ''],
  ['10.1.2.3', '10.1.2.3'],
  ['::ffff:10.1.2.3', '10.1.2.3'],
  ['::1', '0:0:0:0::/64'],
  ['::', '0:0:0:0::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['2001:db8::ffff:ffff:ffff:ffff', '2001:db8:0:0::/64'],
  ['2001:db8:0:1:aaaa:bbbb:cccc:dddd', '2001:db8:0:1::/64'],
  ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
  ['2001:db8:1::1', '2001:db8:1:0::/64'],
  ['2001:db8:0:1::', '2001:db8:0:1::/64'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['1::2:3:4:5:6', '1:0:0:2::/64'],
];

for (const [ip, key] of rows) {
  test(`${ip ?? 'a peer without an address'} counts under ${key === '' ? 'nothing' : key}`, (t) => {
    t.is(addressKey(ip), key);
  });
}

test('two IPv6 addresses count as one exactly when their first 64 bits are equal', (t) => {
  const group = fc.oneof(fc.constant(0), fc.nat(0xffff));
  const groups = fc.array(group, { minLength: 8, maxLength: 8 });
  const text = (parts: readonly number[]): string => parts.map((part) => part.toString(16)).join(':');
  const keyOf = (parts: readonly number[]): string => addressKey(normaliseIp(text(parts)));
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
