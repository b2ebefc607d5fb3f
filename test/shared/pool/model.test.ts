import test from 'ava';
import fc from 'fast-check';
import type { ConnectionPool } from '../../../src/shared/pool/connection-pool.ts';
import type { Lease } from '../../../src/shared/pool/lease.ts';
import type { Reservation } from '../../../src/shared/pool/reservation.ts';
import { FakeConnection, poolOf } from '../../helpers/fake-connection.ts';

const MAX = 6;
const CAPACITY = 3;

type State = 'idle' | 'passive' | 'claimed' | 'inUse';

/** The pool as anyone would write it who need not be fast: a list of connections, each in one state. */
interface Model {
  connections: { connection: FakeConnection; state: State; group: string; passive: boolean; generation: number }[];
  connecting: number;
  generation: number;
}

/** The pool itself, and what was handed out of it. */
interface Real {
  readonly pool: ConnectionPool<FakeConnection>;
  readonly leases: Lease<FakeConnection>[];
  readonly rooms: { readonly room: Reservation<FakeConnection>; readonly generation: number }[];
  next: number;
}

type Step = (model: Model, real: Real) => void;

const count = (model: Model, ...states: State[]): number =>
  model.connections.filter(({ state }) => states.includes(state)).length;

function agree({ connections, connecting }: Model, { pool }: Real): void {
  const model = { connections, connecting, generation: 0 };
  const expected = {
    idle: count(model, 'idle', 'passive'),
    inUse: count(model, 'inUse', 'claimed'),
    connecting,
    size: connections.length + connecting,
    missing: Math.max(
      0,
      Math.min(CAPACITY - count(model, 'idle', 'passive') - connecting, MAX - connections.length - connecting),
    ),
  };
  const { idle, inUse, size, missing } = pool;
  const actual = { idle, inUse, connecting: pool.connecting, size, missing };
  if (JSON.stringify(actual) !== JSON.stringify(expected)) {
    throw new Error(`the pool has ${JSON.stringify(actual)}, the model ${JSON.stringify(expected)}`);
  }
  for (const { connection } of connections)
    if (connection.closed) throw new Error(`${connection.id} is closed, and kept`);
}

function must(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

function forget(model: Model, gone: (one: Model['connections'][number]) => boolean): void {
  for (const { connection } of model.connections.filter(gone))
    must(connection.closed, `${connection.id} is not closed`);
  model.connections = model.connections.filter((one) => !gone(one));
}

function admit(model: Model, connection: FakeConnection, group: string, passive: boolean, generation: number): boolean {
  if (generation !== model.generation) return false;
  model.connections.push({ connection, state: passive ? 'passive' : 'idle', group, passive, generation });
  return true;
}

const put =
  (group: string, passive: boolean): Step =>
  (model, real) => {
    const connection = new FakeConnection(`c${real.next++}`);
    const room = model.connections.length + model.connecting < MAX;
    const kept = real.pool.put(connection.id, connection, { group, passive });
    must(kept === room, 'put says otherwise');
    if (kept) admit(model, connection, group, passive, model.generation);
    else must(connection.closed, 'refused, and left open');
  };

const reserve: Step = (model, real) => {
  const room = real.pool.reserve();
  must((room !== undefined) === model.connections.length + model.connecting < MAX, 'reserve says otherwise');
  if (room === undefined) return;
  real.rooms.push({ room, generation: model.generation });
  model.connecting += 1;
};

const arrive =
  (group: string, given: boolean): Step =>
  (model, real) => {
    const [reserved] = real.rooms.splice(0, 1);
    if (reserved === undefined) return;
    model.connecting -= 1;
    if (!given) return reserved.room.cancel();
    const connection = new FakeConnection(`c${real.next++}`);
    const kept = reserved.room.put(connection.id, connection, { group });
    must(kept === admit(model, connection, group, false, reserved.generation), 'a reservation is judged otherwise');
    must(kept !== connection.closed, 'kept and closed, or neither');
  };

const acquire =
  (filter?: { group?: string; notGroup?: string }): Step =>
  (model, real) => {
    const fits = model.connections.filter(
      ({ state, group }) =>
        state === 'idle' &&
        (filter?.group ?? group) === group &&
        (filter?.notGroup === undefined || filter.notGroup !== group),
    );
    const lease = real.pool.tryAcquire(filter);
    must((lease === undefined) === (fits.length === 0), 'acquire finds what is not there, or misses what is');
    if (lease === undefined) return;
    const one = fits.find(({ connection }) => connection === lease.connection);
    must(one !== undefined, `${lease.id} was not idle`);
    if (one !== undefined) one.state = 'inUse';
    real.leases.push(lease);
  };

const get =
  (at: number): Step =>
  (model, real) => {
    const one = model.connections[at % Math.max(1, model.connections.length)];
    if (one === undefined) return;
    const lease = real.pool.tryGet(one.connection.id);
    must((lease === undefined) === (one.state === 'inUse'), 'get says otherwise');
    if (lease === undefined) return;
    one.state = 'inUse';
    real.leases.push(lease);
  };

const giveBack =
  (at: number, how: 'release' | 'put' | 'destroy' | 'unfinished' | 'unread'): Step =>
  (model, real) => {
    const [lease] = real.leases.splice(at % Math.max(1, real.leases.length), 1);
    if (lease === undefined) return;
    const { connection } = lease;
    const one = model.connections.find((candidate) => candidate.connection === connection);
    if (how === 'destroy') {
      lease.destroy();
      return forget(model, (candidate) => candidate === one);
    }
    if (how === 'unfinished') connection.state = 'unfinished';
    connection.unread = how === 'unread';
    const gone = connection.closed;
    const kept = how === 'put' && !gone ? real.pool.put(lease.id, connection) : lease.release();
    const fit = one !== undefined && one.generation === model.generation && how !== 'unfinished' && how !== 'unread';
    must(kept === fit, `${how} says ${kept}`);
    must(!lease.held, 'the lease is still held');
    if (fit) one.state = one.passive ? 'passive' : 'idle';
    else forget(model, (candidate) => candidate === one);
  };

const die =
  (at: number): Step =>
  (model) => {
    const one = model.connections[at % Math.max(1, model.connections.length)];
    one?.connection.close('peer-closed');
    forget(model, (candidate) => candidate === one);
  };

const receive =
  (at: number): Step =>
  (model) => {
    const idle = model.connections.filter(({ state }) => state === 'idle' || state === 'passive');
    const one = idle[at % Math.max(1, idle.length)];
    if (one === undefined) return;
    one.connection.receive();
    one.connection.unread = false;
    one.state = 'claimed';
  };

const clean: Step = (model, real) => {
  real.pool.clean();
  forget(model, ({ state }) => state === 'idle' || state === 'passive');
};

const flush =
  (graceful: boolean): Step =>
  (model, real) => {
    real.pool.flush({ graceful });
    model.generation += 1;
    forget(model, ({ state }) => !graceful || state !== 'inUse');
  };

const group = fc.constantFrom('g', 'h');
const at = fc.nat(20);
const steps = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(group, fc.boolean()).map(([name, passive]) => ({ name: 'put', run: put(name, passive) })),
  },
  { weight: 2, arbitrary: fc.constant({ name: 'reserve', run: reserve }) },
  {
    weight: 2,
    arbitrary: fc.tuple(group, fc.boolean()).map(([name, given]) => ({ name: 'arrive', run: arrive(name, given) })),
  },
  { weight: 4, arbitrary: fc.constant({ name: 'acquire', run: acquire() }) },
  { weight: 1, arbitrary: group.map((name) => ({ name: 'acquire group', run: acquire({ group: name }) })) },
  { weight: 1, arbitrary: group.map((name) => ({ name: 'acquire notGroup', run: acquire({ notGroup: name }) })) },
  { weight: 2, arbitrary: at.map((index) => ({ name: 'get', run: get(index) })) },
  {
    weight: 5,
    arbitrary: fc
      .tuple(at, fc.constantFrom('release', 'release', 'put', 'destroy', 'unfinished', 'unread'))
      .map(([index, how]) => ({ name: how, run: giveBack(index, how as 'release') })),
  },
  { weight: 2, arbitrary: at.map((index) => ({ name: 'die', run: die(index) })) },
  { weight: 2, arbitrary: at.map((index) => ({ name: 'receive', run: receive(index) })) },
  { weight: 1, arbitrary: fc.constant({ name: 'clean', run: clean }) },
  { weight: 1, arbitrary: fc.boolean().map((graceful) => ({ name: `flush ${graceful}`, run: flush(graceful) })) },
);

test('whatever happens in whatever order, the pool agrees with a list', (t) => {
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 60, size: 'max' }), (sequence) => {
      const model: Model = { connections: [], connecting: 0, generation: 0 };
      const real: Real = { pool: poolOf({ max: MAX, min: CAPACITY }).pool, leases: [], rooms: [], next: 0 };
      for (const { run } of sequence) {
        run(model, real);
        agree(model, real);
      }
      real.pool.destroy();
      must(real.pool.size === model.connecting, 'something is left after destroy');
    }),
    { numRuns: 2000 },
  );
  t.pass();
});
