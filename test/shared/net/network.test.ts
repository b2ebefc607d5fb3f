import test from 'ava';
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
