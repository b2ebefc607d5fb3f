import { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import test from 'ava';
import { copiesBytes, ReadMemory } from '../../../src/shared/net/read-memory.ts';
import { giveTransfer } from '../../helpers/transfer.ts';

giveTransfer();

function chunk(bytes: number): Buffer {
  return Buffer.from(new ArrayBuffer(bytes));
}

test('what was lent is freed, all at once', (t) => {
  const memory = new ReadMemory();
  const chunks = [chunk(4096), chunk(65_536)];
  for (const lent of chunks) memory.lend(lent);
  t.true(memory.lends);
  t.deepEqual(
    chunks.map(({ length }) => length),
    [4096, 65_536],
  );
  memory.free();
  t.false(memory.lends);
  t.deepEqual(
    chunks.map(({ length }) => length),
    [0, 0],
  );
});

test('small chunks and parts of larger blocks are left alone', (t) => {
  const memory = new ReadMemory();
  memory.lend(chunk(4095));
  memory.lend(chunk(65_536).subarray(8));
  t.false(memory.lends);
});

test('what was freed before cannot be lent again', (t) => {
  const memory = new ReadMemory();
  const lent = chunk(65_536);
  memory.lend(lent);
  memory.free();
  memory.lend(lent);
  t.false(memory.lends);
});

test('sockets copy what passes, streams of other kinds may not', (t) => {
  t.true(copiesBytes(new Socket()));
  t.false(copiesBytes(new PassThrough()));
});
