import test from 'ava';
import { networkOf } from '../../../src/shared/net/network.ts';
import { VisitorAddresses } from '../../../src/shared/tunnel/visitor-addresses.ts';

const ipv6 = (n: number): string => `2001:db8:${(n >>> 16).toString(16)}:${(n & 0xffff).toString(16)}::1`;

test('case 16: 100,000 addresses that come and go leave a bounded table, and those who are in are kept', (t) => {
  const addresses = new VisitorAddresses();
  const staying = addresses.get('192.0.2.1');
  addresses.enter(staying);
  for (let n = 0; n < 100_000; n += 1) {
    const address = addresses.get(networkOf(ipv6(n)));
    addresses.enter(address);
    addresses.leave(address);
  }
  t.is(addresses.size, 16_384 + 1);
  t.is(addresses.get('192.0.2.1'), staying);
  t.is(staying.visitors, 1);
});

test('who was seen last is remembered, and who has been quiet longest is forgotten', (t) => {
  const addresses = new VisitorAddresses();
  const [first, second] = [addresses.get('a'), addresses.get('b')];
  first.tokens = 1;
  second.tokens = 1;
  for (let n = 0; n < 16_382; n += 1) addresses.get(`${n}`);
  t.is(addresses.get('a'), first);
  addresses.get('one more');
  t.is(addresses.size, 16_384);
  t.is(addresses.get('a'), first);
  t.is(addresses.get('b').tokens, Infinity);
});

test('visitors of one address are counted together, and one that is refused is no visitor', (t) => {
  const addresses = new VisitorAddresses();
  const address = addresses.get('a');
  addresses.enter(address);
  addresses.enter(addresses.get('a'));
  t.is(addresses.get('a').visitors, 2);
  addresses.leave(address);
  addresses.leave(address);
  t.is(addresses.get('a').visitors, 0);
  t.is(addresses.size, 1);
});
