import test from 'ava';
import { type HandshakeSlot, HandshakeSlots } from '../../../src/shared/tunnel/handshake-slots.ts';

/** Takes slots for addresses in order; each gives its slot back when it is evicted. */
function crowd(slots: HandshakeSlots, addresses: readonly string[]) {
  const evicted: number[] = [];
  const taken = addresses.map((address, index) => {
    const slot: HandshakeSlot = slots.take(address, () => {
      evicted.push(index);
      slots.release(slot);
    });
    return slot;
  });
  return { evicted, taken };
}

test('at the limit in total the oldest of the address that holds most goes', (t) => {
  const slots = new HandshakeSlots(4, 10);
  const { evicted } = crowd(slots, ['real', 'bad', 'bad', 'bad', 'bad', 'bad']);
  t.deepEqual(evicted, [1, 2]);
  t.is(slots.size, 4);
});

test('at the limit of one address its own oldest goes, whoever holds most', (t) => {
  const slots = new HandshakeSlots(10, 2);
  const { evicted } = crowd(slots, ['a', 'b', 'b', 'a', 'a']);
  t.deepEqual(evicted, [0]);
});

test('a slot given back makes room without an eviction', (t) => {
  const slots = new HandshakeSlots(2, 2);
  const { evicted, taken } = crowd(slots, ['a', 'b']);
  slots.release(taken[0] as HandshakeSlot);
  crowd(slots, ['c']);
  t.deepEqual(evicted, []);
  t.is(slots.size, 2);
});

test('where something else is short, as many go as are asked for, or none', (t) => {
  const slots = new HandshakeSlots(10, 10);
  const { evicted } = crowd(slots, ['real', 'bad', 'bad', 'bad']);
  t.true(slots.evict(0));
  t.deepEqual(evicted, []);
  t.true(slots.evict(2));
  t.deepEqual(evicted, [1, 2]);
  t.false(slots.evict(3));
  t.deepEqual(evicted, [1, 2]);
});

test('clear evicts everybody', (t) => {
  const slots = new HandshakeSlots(10, 10);
  const { evicted } = crowd(slots, ['a', 'b', 'a']);
  slots.clear();
  t.deepEqual(
    evicted.toSorted((a, b) => a - b),
    [0, 1, 2],
  );
  t.is(slots.size, 0);
});
