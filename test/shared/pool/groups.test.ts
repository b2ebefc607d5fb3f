import test from 'ava';
import type { GroupLevel } from '../../../src/shared/pool/idle-list.ts';
import { fill, poolOf } from '../../helpers/fake-connection.ts';
import { later } from '../../helpers/later.ts';

test('the most recently used connection is handed out first', (t) => {
  const { pool } = poolOf();
  fill(pool, ['a', 'b', 'c']);
  const [c, b] = [pool.tryAcquire(), pool.tryAcquire()];
  t.deepEqual([c?.id, b?.id], ['c', 'b']);
  c?.release();
  b?.release();
  t.deepEqual([pool.tryAcquire()?.id, pool.tryAcquire()?.id, pool.tryAcquire()?.id], ['b', 'c', 'a']);
});

test('each group is a LIFO of its own', (t) => {
  const { pool } = poolOf();
  fill(pool, ['a1', 'a2'], 'a');
  fill(pool, ['b1', 'b2'], 'b');
  t.is(pool.tryAcquire({ group: 'a' })?.id, 'a2');
  t.is(pool.tryAcquire({ notGroup: 'b' })?.id, 'a1');
  t.is(pool.tryAcquire({ notGroup: 'b' }), undefined);
  t.is(pool.tryAcquire({ group: 'b', notGroup: 'b' }), undefined);
  t.is(pool.tryAcquire({ group: 'nobody' }), undefined);
  t.is(pool.tryAcquire()?.group, 'b');
});

test('without a picker the group of the latest return is taken, and the next one when it is empty', (t) => {
  const { pool } = poolOf();
  fill(pool, ['a1', 'a2'], 'a');
  fill(pool, ['b1'], 'b');
  t.deepEqual([pool.tryAcquire()?.id, pool.tryAcquire()?.id, pool.tryAcquire()?.id], ['b1', 'a2', 'a1']);
});

test('a picker sees the numbers of the groups that have an idle connection, and chooses', (t) => {
  const seen: (readonly GroupLevel[])[] = [];
  const { pool } = poolOf({
    pickGroup: (groups) => {
      seen.push(groups.map(({ name, idle, inUse }) => ({ name, idle, inUse })));
      return groups.toSorted((one, other) => one.inUse - other.inUse)[0]?.name;
    },
  });
  fill(pool, ['a1', 'a2'], 'a');
  fill(pool, ['b1', 'b2'], 'b');
  pool.tryGet('b2');
  t.is(pool.tryAcquire()?.group, 'a');
  t.deepEqual(
    seen[0]?.toSorted((one, other) => one.name.localeCompare(other.name)),
    [
      { name: 'a', idle: 2, inUse: 0 },
      { name: 'b', idle: 1, inUse: 1 },
    ],
  );
  t.is(pool.tryAcquire({ notGroup: 'a' })?.group, 'b');
});

test('a picker that names a group with nothing idle is overruled', (t) => {
  const { pool } = poolOf({ pickGroup: () => 'nobody' });
  fill(pool, ['a1'], 'a');
  fill(pool, ['b1'], 'b');
  t.truthy(pool.tryAcquire());
});

test('a picker that throws is passed over, and its error is not hidden', (t) => {
  const { pool } = poolOf({
    pickGroup: () => {
      throw new Error('a bug of the picker');
    },
  });
  fill(pool, ['a1'], 'a');
  fill(pool, ['b1'], 'b');
  const thrown = later(() => t.is(pool.tryAcquire()?.id, 'b1'));
  t.deepEqual(
    thrown.map((error) => (error as Error).message),
    ['a bug of the picker'],
  );
});

test('a group without connections is forgotten', (t) => {
  const { pool } = poolOf();
  const [connection] = fill(pool, ['a1'], 'a');
  t.deepEqual(pool.groups, [{ name: 'a', idle: 1, inUse: 0 }]);
  connection?.close('peer-closed');
  t.deepEqual(pool.groups, []);
});
