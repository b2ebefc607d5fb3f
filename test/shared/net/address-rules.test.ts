import test from 'ava';
import fc from 'fast-check';
import { InvalidOptionError } from '../../../src/shared/errors.ts';
import { AddressRules } from '../../../src/shared/net/address-rules.ts';

const cases: [entry: string, inside: string[], outside: string[]][] = [
  ['10.1.2.3', ['10.1.2.3', '::ffff:10.1.2.3', '::ffff:a01:203'], ['10.1.2.4', '::10.1.2.3']],
  ['10.0.0.0/8', ['10.0.0.0', '10.255.255.255', '::ffff:10.9.9.9'], ['9.255.255.255', '11.0.0.0']],
  ['10.1.2.3/8', ['10.200.0.1'], ['11.1.2.3']],
  ['192.168.1.128/25', ['192.168.1.128', '192.168.1.255'], ['192.168.1.127']],
  ['10.1.2.3/32', ['10.1.2.3'], ['10.1.2.2']],
  ['0.0.0.0/0', ['1.2.3.4', '::ffff:1.2.3.4'], ['::1', '2001:db8::1']],
  ['2001:db8::/32', ['2001:db8::1', '2001:DB8:FFFF::', '2001:db8::1%eth0'], ['2001:db9::1', '10.0.0.1']],
  ['::1', ['::1', '0:0:0:0:0:0:0:1'], ['::2', '127.0.0.1']],
  ['::/0', ['::1', '2001:db8::1'], ['10.0.0.1', '::ffff:10.0.0.1']],
  ['::ffff:10.1.2.3', ['10.1.2.3', '::ffff:10.1.2.3'], ['10.1.2.4']],
  ['::ffff:10.0.0.0/104', ['10.9.9.9', '::ffff:10.9.9.9'], ['11.0.0.0']],
];

for (const [entry, inside, outside] of cases) {
  test(`${entry} lets in what it holds and nothing else`, (t) => {
    const list = new AddressRules({ allow: [entry] });
    t.deepEqual(
      inside.filter((ip) => !list.allows(ip)),
      [],
    );
    t.deepEqual(
      outside.filter((ip) => list.allows(ip)),
      [],
    );
  });
}

test('several entries add up', (t) => {
  const list = new AddressRules({ allow: ['10.0.0.0/8', '::1', '192.0.2.7'] });
  t.true(['10.1.1.1', '::1', '192.0.2.7'].every((ip) => list.allows(ip)));
  t.false(list.allows('192.0.2.8'));
});

test('an empty list lets everyone in', (t) => {
  const list = new AddressRules({});
  t.true(list.allows('203.0.113.1'));
  t.true(list.allows(undefined));
});

test('a peer without a readable address is let in by no entry', (t) => {
  const list = new AddressRules({ allow: ['0.0.0.0/0', '::/0'] });
  t.false(list.allows(undefined));
  t.false(list.allows('example.org'));
  t.false(list.allows(''));
});

test('who is denied stays out, even where the list names them, and the others are judged as before', (t) => {
  const deny = ['10.6.0.0/16', '2001:db8:bad::/48', '192.0.2.7'];
  const open = new AddressRules({ deny });
  const closed = new AddressRules({ allow: ['10.0.0.0/8', '2001:db8::/32'], deny });
  for (const ip of ['10.6.1.1', '::ffff:10.6.1.1', '2001:db8:bad::1', '192.0.2.7']) {
    t.false(open.allows(ip), ip);
    t.false(closed.allows(ip), ip);
  }
  for (const ip of ['10.7.1.1', '2001:db8:1::1']) t.true(open.allows(ip) && closed.allows(ip), ip);
  t.true(open.allows('203.0.113.1'));
  t.false(closed.allows('203.0.113.1'));
  t.true(open.allows(undefined));
  t.false(closed.allows(undefined));
});

test('a wrong entry of the deny list is named by its own option', (t) => {
  const names = { allow: 'visitors.allow', deny: 'visitors.deny' };
  const error = t.throws(() => new AddressRules({ deny: ['10.0.0.1', '10.0.0.0/33'], names }));
  t.is((error as InvalidOptionError).option, 'visitors.deny');
  t.true(error.message.includes('"10.0.0.0/33"'));
});

const bad = [
  '',
  'example.org',
  '10.0.0',
  '10.0.0.256',
  ' 10.0.0.1',
  '10.0.0.0/',
  '10.0.0.0/33',
  '10.0.0.0/-1',
  '10.0.0.0/8/8',
  '10.0.0.0/1e1',
  '2001:db8::/129',
  '::ffff:10.0.0.0/95',
  'fe80::1%eth0',
  '/8',
];

for (const entry of bad) {
  test(`"${entry}" is refused by name, wherever it stands in the list`, (t) => {
    const error = t.throws(() => new AddressRules({ allow: ['10.0.0.1', entry] }), { instanceOf: InvalidOptionError });
    t.is(error?.option, 'allow');
    t.true(error?.message.includes(`"${entry}"`));
  });
}

test('an IPv4 range holds exactly the addresses that share its first bits', (t) => {
  const u32 = fc.nat(0xffff_ffff);
  const dotted = (n: number) => [24, 16, 8, 0].map((shift) => (n >>> shift) & 255).join('.');
  fc.assert(
    fc.property(u32, u32, fc.integer({ min: 1, max: 32 }), fc.boolean(), (base, noise, bits, near) => {
      const ip = near ? ((base & (-1 << (32 - bits))) | (noise & ~(-1 << (32 - bits)))) >>> 0 : noise;
      const expected = base >>> (32 - bits) === ip >>> (32 - bits);
      t.is(new AddressRules({ allow: [`${dotted(base)}/${bits}`] }).allows(dotted(ip)), expected);
    }),
  );
});
