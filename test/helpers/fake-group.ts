import { PoolGroup } from '../../src/shared/group/pool-group.ts';
import type { PoolGroupOptions } from '../../src/shared/group/group-options.ts';
import { ConnectionPool } from '../../src/shared/pool/connection-pool.ts';
import type { PoolOptions } from '../../src/shared/pool/pool-options.ts';
import type { Breaker } from '../../src/shared/resilience/breaker.ts';
import { type ManualClock, manualClock } from './clock.ts';
import { FakeConnection } from './fake-connection.ts';

/** A pool that remembers its start, and fails it when the test says so. */
export class FakePool extends ConnectionPool<FakeConnection> {
  readonly breaker: Breaker;
  starts = 0;
  startError: Error | undefined;
  #next = 0;

  constructor(options: PoolOptions, breaker: Breaker) {
    super(options);
    this.breaker = breaker;
  }

  start(): Promise<void> {
    this.starts += 1;
    return this.startError === undefined ? Promise.resolve() : Promise.reject(this.startError);
  }

  /** Puts that many new connections, `a1`, `a2` and so on in pool `a`. */
  fill(count = 1): FakeConnection[] {
    return Array.from({ length: count }, () => {
      const connection = new FakeConnection(`${this.name}${(this.#next += 1)}`);
      this.put(connection.id, connection);
      return connection;
    });
  }
}

export type FakeGroup = PoolGroup<FakeConnection, FakePool>;

export interface FakeGroupOptions extends Partial<Omit<PoolGroupOptions<FakeConnection, FakePool>, 'nodes'>> {
  /** Names of the nodes, and how many connections each has idle. */
  readonly nodes?: Readonly<Record<string, number>>;
  readonly pool?: PoolOptions;
  /** Told of each pool as it is made. */
  readonly made?: (pool: FakePool) => void;
}

/** A group of pools without sockets over a driven clock. `pool` finds the latest pool of a name. */
export function groupOf({ nodes = {}, pool: poolOptions, made, ...options }: FakeGroupOptions = {}): {
  readonly group: FakeGroup;
  readonly time: ManualClock;
  readonly pool: (name: string) => FakePool;
} {
  const time = manualClock();
  const pools = new Map<string, FakePool>();
  const group: FakeGroup = new PoolGroup({
    create: ({ name }, breaker) => {
      const pool = new FakePool({ clock: time.clock, random: () => 0, ...poolOptions, name }, breaker);
      pools.set(name, pool);
      made?.(pool);
      return pool;
    },
    nodes: Object.keys(nodes).map((name) => ({ name })),
    healthCheck: false,
    clock: time.clock,
    random: () => 0.5,
    ...options,
  });
  const pool = (name: string): FakePool => {
    const found = pools.get(name);
    if (found === undefined) throw new Error(`no pool ${name} was made`);
    return found;
  };
  for (const [name, count] of Object.entries(nodes)) pool(name).fill(count);
  return { group, time, pool };
}
