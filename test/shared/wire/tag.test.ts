import test from 'ava';
import { BadTagError } from '../../../src/shared/errors.ts';
import { decodeTag, encodeTag, type IdFormat, newId, TAG_BYTES } from '../../../src/shared/wire/tag.ts';

const FORMATS: readonly IdFormat[] = ['text8', 'raw4'];

test('a new ID has the form of its format and comes back from its tag', (t) => {
  for (const format of FORMATS) {
    const id = newId(format, () => false);
    t.regex(id, format === 'text8' ? /^[A-Za-z0-9_-]{8}$/ : /^[0-9a-f]{8}$/);
    const tag = encodeTag(id, format);
    t.is(tag.length, TAG_BYTES(format));
    t.is(decodeTag(tag, format), id);
  }
});

test('a new ID is never one that a live connection has', (t) => {
  for (const format of FORMATS) {
    const asked: string[] = [];
    const id = newId(format, (candidate) => asked.push(candidate) < 3);
    t.deepEqual([asked.length, asked[2]], [3, id]);
  }
});

test('a new ID is never the one of the NodePass control connection', (t) => {
  const candidates = ['00000000', '00ff10a0'];
  t.is(
    newId(
      'raw4',
      () => false,
      () => candidates.shift() ?? '',
    ),
    '00ff10a0',
  );
});

test('newId gives up when every ID is said to be taken', (t) => {
  for (const format of FORMATS) {
    let asked = 0;
    t.throws(() => newId(format, () => (asked += 1) > 0), { message: /no free ID after 100 tries/ });
    t.is(asked, 100);
  }
});

test('tags have the bytes of their format', (t) => {
  t.is(encodeTag('V1St_G-8', 'text8').toString('latin1'), 'V1St_G-8');
  t.is(encodeTag('00ff10a0', 'raw4').toString('hex'), '00ff10a0');
  t.is(decodeTag(Buffer.alloc(4), 'raw4'), '00000000');
});

test('an ID of another format is a bug of the caller', (t) => {
  const table: [id: string, format: IdFormat][] = [
    ['short', 'text8'],
    ['ninechars', 'text8'],
    ['with spc', 'text8'],
    ['GGGGGGGG', 'raw4'],
    ['ABCDEF01', 'raw4'],
    ['', 'raw4'],
  ];
  for (const [id, format] of table) t.throws(() => encodeTag(id, format), { instanceOf: RangeError });
});

test('what is not a tag is refused with what it looks like', (t) => {
  const table: [bytes: Buffer, format: IdFormat, message: RegExp][] = [
    [Buffer.from('SSH-2.0-'), 'text8', /speaks SSH/],
    [Buffer.from('HTTP/1.1'), 'text8', /speaks HTTP/],
    [Buffer.from('HTTP/'), 'text8', /speaks HTTP/],
    [Buffer.from('15030300020228', 'hex'), 'text8', /speaks TLS; use the same --tls mode/],
    [Buffer.from('16030300aa020000', 'hex'), 'text8', /speaks TLS; use the same --tls mode/],
    [Buffer.from('160303', 'hex'), 'raw4', /speaks TLS; use the same --tls mode/],
    [Buffer.from('220 mail'), 'text8', /sent 0x323230206d61696c where the tag is due/],
    [Buffer.from('abcdefg\u00e9', 'latin1'), 'text8', /sent 0x61626364656667e9 where the tag is due/],
    [Buffer.from('abcdefghi'), 'text8', /where the tag is due/],
    [Buffer.from('abcdefg\n'), 'text8', /where the tag is due/],
    [Buffer.from('abc'), 'text8', /ended after 3 of the 8 bytes/],
    [Buffer.alloc(0), 'text8', /ended after 0 of the 8 bytes/],
    [Buffer.from('abc'), 'raw4', /ended after 3 of the 4 bytes/],
    [Buffer.from('abcde'), 'raw4', /where the tag is due/],
  ];
  for (const [bytes, format, message] of table)
    t.throws(() => decodeTag(bytes, format), { instanceOf: BadTagError, message });
});

test('raw4 takes any four bytes, also those that begin like another protocol', (t) => {
  for (const hex of ['5353482d', '48545450', '16030301']) t.is(decodeTag(Buffer.from(hex, 'hex'), 'raw4'), hex);
});
