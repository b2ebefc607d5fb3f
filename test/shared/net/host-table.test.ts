import test from 'ava';
import { InvalidOptionError } from '../../../src/shared/errors.ts';
import { HostTable, readHosts } from '../../../src/shared/net/host-table.ts';

test('the exact name comes first, then the longest wildcard, then who names none', (t) => {
  const table = new HostTable([
    ['wild', ['*.example.org', '*.org']],
    ['one', ['www.example.org', 'example.net']],
    ['deep', ['*.b.example.org']],
    ['rest', []],
  ]);
  const found = (host: string | undefined): string | undefined => table.find(host);
  t.is(found('www.example.org'), 'one');
  t.is(found('a.example.org'), 'wild');
  t.is(found('a.www.example.org'), 'wild');
  t.is(found('b.example.org'), 'wild');
  t.is(found('a.b.example.org'), 'deep');
  t.is(found('x.y.b.example.org'), 'deep');
  t.is(found('example.org'), 'wild');
  t.is(found('org'), 'rest');
  t.is(found('www.example.net'), 'rest');
  t.is(found('xexample.net'), 'rest');
  t.is(found('192.0.2.1'), 'rest');
  t.is(found(undefined), 'rest');
  t.true(table.named);
});

test('without anybody for the rest nobody gets it, and a wildcard is not its own name', (t) => {
  const table = new HostTable([['one', ['*.example.org']]]);
  for (const host of ['example.org', '.example.org', 'example', undefined]) t.is(table.find(host), undefined);
  const none = new HostTable([['one', []]]);
  t.false(none.named);
  t.is(none.find('a.example'), 'one');
});

test('names are compared in one form', (t) => {
  t.deepEqual(readHosts('hosts', ['WWW.Example.org.', '*.Bücher.example', 'my_box', 'xn--bcher-kva.example']), [
    'www.example.org',
    '*.xn--bcher-kva.example',
    'my_box',
    'xn--bcher-kva.example',
  ]);
});

for (const name of [
  '',
  '*',
  '*.',
  'a.*.example',
  '*a.example',
  'a b',
  'a:80',
  '192.0.2.1',
  '[::1]',
  '::1',
  'a..b',
  '*.*.a',
]) {
  test(`"${name}" is no host to have`, (t) => {
    const error = t.throws(() => readHosts('hosts', ['ok.example', name]), { instanceOf: InvalidOptionError });
    t.is(error?.option, 'hosts');
    t.true(error?.message.includes(`"${name}"`));
  });
}

test('each host belongs to one, and so does the rest', (t) => {
  const both = (one: string[], other: string[]) => () =>
    new HostTable([
      ['one', one],
      ['other', readHosts('hosts', other)],
    ]);
  const option = { instanceOf: InvalidOptionError, message: /^hosts: / };
  t.throws(both(['a.example'], ['A.example']), { ...option, message: /a\.example is another tunnel's/ });
  t.throws(both(['*.example'], ['b.example', '*.Example']), { ...option, message: /\*\.example is another/ });
  t.throws(both([], []), { ...option, message: /names none either/ });
  t.throws(() => readHosts('hosts', ['a.example', 'A.example']), { ...option, message: /given twice/ });
  t.notThrows(both(['a.example'], ['*.a.example', '*.example']));
});
