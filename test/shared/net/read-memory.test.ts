import { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import test from 'ava';
import { copiesBytes, ReadMemory } from '../../../src/shared/net/read-memory.ts';
import { giveTransfer } from '../../helpers/transfer.ts';

giveTransfer();

function chunk(bytes: number): Buffer {
  return Buffer.from(new ArrayBuffer(bytes));
}

const lengths = (chunks: readonly Buffer[]): number[] => chunks.map(({ length }) => length);

test('what was lent is freed when nothing is left to be written, all at once', (t) => {
  const memory = new ReadMemory();
  const chunks = [chunk(4096), chunk(65_536)];
  for (const lent of chunks) memory.lend(lent, 10);
  memory.spend(10);
  memory.spend(undefined);
  t.deepEqual(lengths(chunks), [4096, 65_536]);
  memory.spend(0);
  t.deepEqual(lengths(chunks), [0, 0]);
});

test('what may be needed again, small chunks and parts of larger blocks are left alone', (t) => {
  const memory = new ReadMemory();
  const chunks = [chunk(65_536), chunk(4095), chunk(65_536).subarray(8)];
  memory.lend(chunks[0] as Buffer, undefined);
  for (const small of chunks.slice(1)) memory.lend(small, 0);
  memory.spend(0);
  t.deepEqual(lengths(chunks), [65_536, 4095, 65_528]);
});

test('what was freed before cannot be lent again', (t) => {
  const memory = new ReadMemory();
  const lent = chunk(65_536);
  memory.lend(lent, 0);
  t.notThrows(() => memory.lend(lent, 0));
});

test('sockets copy what passes, streams of other kinds may not', (t) => {
  t.true(copiesBytes(new Socket()));
  t.false(copiesBytes(new PassThrough()));
});
