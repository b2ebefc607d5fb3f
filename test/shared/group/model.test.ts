import test from 'ava';
import fc from 'fast-check';
import type { Lease } from '../../../src/shared/pool/lease.ts';
import type { ManualClock } from '../../helpers/clock.ts';
import type { FakeConnection } from '../../helpers/fake-connection.ts';
import { type FakeGroup, type FakePool, groupOf } from '../../helpers/fake-group.ts';

const NAMES = ['a', 'b', 'c', 'd'];

/** How work of `executeOnAny` is to end. */
type End = 'well' | 'reset' | 'bug';

/** The group as anyone would write it who keeps lists: the nodes that are there, every connection, and who has which. */
interface World {
  readonly group: FakeGroup;
  readonly time: ManualClock;
  /** The pools of the nodes that may hand out, in order. */
  ready: FakePool[];
  /** The same before the present step: what was handed out in one moment is held in the next. */
  readyBefore: FakePool[];
  /** All pools ever made, and what was put into them. */
  readonly pools: FakePool[];
  readonly connections: Map<FakeConnection, FakePool>;
  /** What is handed out. */
  readonly held: { readonly connection: FakeConnection; readonly give: (how: End) => void }[];
  readonly waits: AbortController[];
  readonly faults: string[];
}

type Step = (world: World) => void | Promise<void>;

function pick<V>(from: readonly V[], at: number): V | undefined {
  return from[at % Math.max(1, from.length)];
}

/** Notes a connection that was handed out by one of these, and that it may be. */
function hold(world: World, by: readonly FakePool[], connection: FakeConnection, give: (how: End) => void): void {
  const { held, connections, faults } = world;
  const pool = connections.get(connection);
  if (pool === undefined || !by.includes(pool)) faults.push(`${connection.id} is of a node that is not there`);
  if (held.some((one) => one.connection === connection)) faults.push(`${connection.id} was handed out twice`);
  held.push({ connection, give });
}

function holdLease(world: World, by: readonly FakePool[], lease: Lease<FakeConnection>): void {
  hold(world, by, lease.connection, (how) => (how === 'well' ? lease.release() : lease.destroy()));
}

const add =
  (name: string): Step =>
  ({ group, ready, pools }) => {
    if (ready.some((pool) => pool.name === name)) return;
    group.addNode({ name });
    ready.push(pools.at(-1) as FakePool);
  };

const remove =
  (name: string): Step =>
  (world) => {
    void world.group.removeNode(name);
    world.ready = world.ready.filter((pool) => pool.name !== name);
  };

const update =
  (names: readonly string[]): Step =>
  (world) => {
    const { added, removed, kept } = world.group.updateNodes(names.map((name) => ({ name })));
    const before = world.ready;
    const known = new Set(before.map(({ name }) => name));
    const same = (one: readonly string[], other: readonly string[]): boolean =>
      [...one].sort().join() === [...other].sort().join();
    if (
      !same(
        added,
        names.filter((name) => !known.has(name)),
      )
    )
      world.faults.push(`added ${added.join()}`);
    if (
      !same(
        kept,
        names.filter((name) => known.has(name)),
      )
    )
      world.faults.push(`kept ${kept.join()}`);
    if (
      !same(
        removed,
        [...known].filter((name) => !names.includes(name)),
      )
    )
      world.faults.push(`removed ${removed.join()}`);
    const fresh = added.length === 0 ? [] : world.pools.slice(-added.length);
    world.ready = names.map((name) => [...fresh, ...before].find((pool) => pool.name === name) as FakePool);
  };

const put =
  (at: number): Step =>
  ({ ready, connections }) => {
    const pool = pick(ready, at);
    if (pool === undefined) return;
    const [connection] = pool.fill();
    connections.set(connection as FakeConnection, pool);
  };

const tryGet =
  (not: string | undefined): Step =>
  (world) => {
    const { group, ready, faults } = world;
    const able = ready.some(({ name, idle }) => name !== not && idle > 0);
    const lease = group.tryGetAny({ not });
    if ((lease !== undefined) !== able)
      faults.push(`a get ${able ? 'missed what is there' : 'found what is not there'}`);
    if (lease === undefined) return;
    if (group.nodeOf(lease) === not) faults.push(`${lease.id} is of the node that was left out`);
    holdLease(world, ready, lease);
  };

const get: Step = (world) => {
  const abort = new AbortController();
  world.waits.push(abort);
  const leave = (): void => void world.waits.splice(world.waits.indexOf(abort), 1);
  world.group.getAny({ signal: abort.signal, timeoutMs: Infinity }).then((lease) => {
    leave();
    holdLease(world, [...world.readyBefore, ...world.ready], lease);
  }, leave);
};

const execute: Step = (world) => {
  const abort = new AbortController();
  world.waits.push(abort);
  const leave = (): void => {
    if (world.waits.includes(abort)) world.waits.splice(world.waits.indexOf(abort), 1);
  };
  const work = (connection: FakeConnection): Promise<void> => {
    leave();
    return new Promise((resolve, reject) => {
      hold(world, [...world.readyBefore, ...world.ready], connection, (how) => {
        if (how === 'well') resolve();
        else reject(how === 'reset' ? Object.assign(new Error(how), { code: 'ECONNRESET' }) : new TypeError(how));
      });
    });
  };
  const options = { signal: abort.signal, timeoutMs: Infinity, retry: { tries: 1 } };
  world.group.executeOnAny(work, options).then(leave, leave);
};

const giveBack =
  (at: number, how: End): Step =>
  ({ held }) => {
    const one = pick(held, at);
    if (one === undefined) return;
    held.splice(held.indexOf(one), 1);
    one.give(how);
  };

const leave =
  (at: number): Step =>
  ({ waits }) =>
    pick(waits, at)?.abort(new Error('left'));

const die =
  (at: number): Step =>
  ({ connections }) =>
    pick([...connections.keys()], at)?.close('peer-closed');

const trip =
  (at: number): Step =>
  ({ ready }) => {
    const breaker = pick(ready, at)?.breaker;
    breaker?.failed();
    breaker?.failed();
  };

function agree({ group, ready, connections, held, waits, faults }: World): void {
  const heldNow = new Set(held.filter(({ connection }) => !connection.closed).map(({ connection }) => connection));
  const idle = [...connections].filter(([one, pool]) => !one.closed && !heldNow.has(one) && ready.includes(pool));
  const lost = [...connections].filter(([one, pool]) => !one.closed && !heldNow.has(one) && !ready.includes(pool));
  if (lost.length > 0)
    faults.push(`${lost.map(([{ id }]) => id).join()} open in a node that is not there, and nobody's`);
  const names = group.nodes.filter(({ state }) => state === 'ready').map(({ name }) => name);
  const draining = group.nodes.filter(({ state }) => state === 'draining');
  if (draining.some((node) => node.idle > 0)) faults.push('a draining node has something idle');
  if (draining.some((node) => node.inUse === 0)) faults.push('a drained node is still there');
  const fit = ready.filter(({ breaker }) => breaker.ready);
  const missed = (fit.length > 0 ? fit : ready).some((pool) => pool.idle > 0);
  if (group.waiting > 0 && missed) faults.push('somebody waits for what is there');
  const queued = ready.reduce((sum, pool) => sum + pool.waiting, 0);
  if (group.waiting === 0 && queued > 0) faults.push('a pool has waiters whom nobody knows');
  const expected = {
    names: ready.map(({ name }) => name),
    idle: idle.length,
    inUse: heldNow.size,
    waiting: waits.length,
  };
  const actual = { names, idle: group.idle, inUse: group.inUse, waiting: group.waiting };
  if (JSON.stringify(actual) !== JSON.stringify(expected)) {
    faults.push(`the group has ${JSON.stringify(actual)}, the model ${JSON.stringify(expected)}`);
  }
  if (faults.length > 0) throw new Error(faults.join('; '));
}

const at = fc.nat(20);
const name = fc.constantFrom(...NAMES);
const named = (label: string, run: Step) => ({ run, toString: () => label });
const single = fc.oneof(
  { weight: 2, arbitrary: name.map((one) => named(`add ${one}`, add(one))) },
  { weight: 1, arbitrary: name.map((one) => named(`remove ${one}`, remove(one))) },
  { weight: 1, arbitrary: fc.shuffledSubarray(NAMES).map((some) => named(`update ${some.join()}`, update(some))) },
  { weight: 5, arbitrary: at.map((index) => named(`put ${index}`, put(index))) },
  { weight: 3, arbitrary: fc.option(name, { nil: undefined }).map((not) => named(`tryGet not ${not}`, tryGet(not))) },
  { weight: 3, arbitrary: fc.constant(named('get', get)) },
  { weight: 3, arbitrary: fc.constant(named('execute', execute)) },
  {
    weight: 5,
    arbitrary: fc
      .tuple(at, fc.constantFrom<End>('well', 'well', 'reset', 'bug'))
      .map(([index, how]) => named(`give back ${index} ${how}`, giveBack(index, how))),
  },
  { weight: 1, arbitrary: at.map((index) => named(`leave ${index}`, leave(index))) },
  { weight: 1, arbitrary: at.map((index) => named(`die ${index}`, die(index))) },
  { weight: 1, arbitrary: at.map((index) => named(`trip ${index}`, trip(index))) },
  { weight: 1, arbitrary: fc.constant(named('wait', ({ time }) => time.advance(1000))) },
);

/** Two in the same moment: nothing settles between them. */
const pair = fc
  .tuple(single, single)
  .map(([one, other]) =>
    named(
      `both ${one.toString()} and ${other.toString()}`,
      async (world) => void (await Promise.all([one.run(world), other.run(world)])),
    ),
  );
const steps = fc.oneof({ weight: 2, arbitrary: single }, { weight: 1, arbitrary: pair });

test('whatever happens in whatever order: no lease is lost, no node that leaves hands out, the numbers agree', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(steps, { maxLength: 60, size: 'max' }),
      fc.constantFrom('round-robin', 'least-in-use', 'random-of-two', 'failover'),
      async (sequence, strategy) => {
        const pools: FakePool[] = [];
        const { group, time } = groupOf({
          strategy,
          breaker: { failures: 2, openMs: 1000, maxOpenMs: 1000 },
          drainMs: 2 ** 31 - 1,
          pool: { idleTimeoutMs: 0, maxLifetimeMs: 0, claimTimeoutMs: 2 ** 31 - 1 },
          made: (pool) => pools.push(pool),
        });
        const world: World = {
          group,
          time,
          ready: [],
          readyBefore: [],
          pools,
          connections: new Map(),
          held: [],
          waits: [],
          faults: [],
        };
        for (const { run } of sequence) {
          world.readyBefore = world.ready;
          await run(world);
          await time.advance(0);
          agree(world);
        }
        while (world.held.length > 0) {
          await giveBack(0, 'well')(world);
          await time.advance(0);
          agree(world);
        }
        const closing = group.close({ graceMs: 0 });
        await time.advance(0);
        await closing;
        for (const connection of world.connections.keys()) {
          if (!connection.closed) throw new Error(`${connection.id} is open after the end`);
        }
        if (group.waiting + group.nodes.length + time.timers > 0) throw new Error('something is left after the end');
      },
    ),
    { numRuns: 300 },
  );
  t.pass();
});
