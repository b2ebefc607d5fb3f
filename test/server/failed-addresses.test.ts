import test from 'ava';
import { FailedAddresses } from '../../src/server/failed-addresses.ts';

/** Enough to be slowed. */
const ENOUGH = 5;

function fail(table: FailedAddresses, address: string, times = ENOUGH, now = 0): void {
  for (let time = 0; time < times; time += 1) table.add(address, now);
}

test('an address is slowed by its own failures, and by nobody else’s', (t) => {
  const table = new FailedAddresses();
  fail(table, 'a');
  fail(table, 'b', ENOUGH - 1);
  t.true(table.pause('a', 0) > 0);
  t.deepEqual([table.pause('b', 0), table.pause('c', 0)], [0, 0]);
  t.is(table.slowed(0), 1);
});

test('failures that are spread over time do not add up', (t) => {
  const table = new FailedAddresses();
  for (let at = 0; at < 600_000; at += 10_000) table.add('a', at);
  t.is(table.pause('a', 600_000), 0);
});

test('the table is bounded: the address that has failed least recently is forgotten', (t) => {
  const table = new FailedAddresses(3);
  for (const address of ['a', 'b', 'c']) fail(table, address);
  table.add('a', 0);
  fail(table, 'd');
  t.deepEqual(
    ['a', 'b', 'c', 'd'].map((address) => table.pause(address, 0) > 0),
    [true, false, true, true],
  );
  t.is(table.slowed(0), 3);
});
