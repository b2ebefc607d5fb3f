import { Writable } from 'node:stream';
import test from 'ava';
import { checkHeader, visitHeader, writeHeader } from '../../../src/shared/tunnel/target-header.ts';

const local = '192.0.2.1:443';

test('a visit is named by its addresses, and by nothing where one of them is no IP address', (t) => {
  const line = (remote: string): string => String(visitHeader('v1', { remote, local }));
  t.is(line('203.0.113.7:50000'), 'PROXY TCP4 203.0.113.7 192.0.2.1 50000 443\r\n');
  t.is(line('[2001:db8::1]:0'), 'PROXY TCP6 2001:db8::1 ::ffff:192.0.2.1 0 443\r\n');
  t.is(line('unix'), 'PROXY UNKNOWN\r\n');
  t.deepEqual(visitHeader('v2', { remote: 'unix', local }), checkHeader('v2'));
  t.is(visitHeader('off', { remote: '203.0.113.7:50000', local }), undefined);
});

test('a check speaks for nobody', (t) => {
  t.is(checkHeader('off'), undefined);
  t.is(String(checkHeader('v1')), 'PROXY UNKNOWN\r\n');
  t.is(checkHeader('v2')?.readUInt8(12), 0x20);
});

test('a header leaves in one write with what is said in the same turn, and alone when nothing is', async (t) => {
  const writes: string[][] = [];
  const socket = new Writable({
    writev: (chunks, done) => {
      writes.push(chunks.map(({ chunk }) => String(chunk)));
      done();
    },
  });
  writeHeader(socket, Buffer.from('one '));
  socket.write('hello');
  await Promise.resolve();
  writeHeader(socket, Buffer.from('two '));
  await Promise.resolve();
  socket.write('hello');
  t.deepEqual(writes, [['one ', 'hello'], ['two '], ['hello']]);
});
