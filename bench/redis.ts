/**
 * `node dist/bench/redis.js`: the Redis client of examples/ beside ioredis, on a real redis-server, in one run and in turns.
 * `--turns N` takes so many, `--ms N` is the length of each, `--callers N` is how many wait for replies at once.
 */
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import { RedisClient } from '../examples/redis/client.ts';
import { hasRedis, startRedis } from '../test/helpers/redis-server.ts';
import { inTurns, median, ratios, spread, table } from './figures.ts';
import { type Fault, FAULTS } from './redis-faults.ts';

const { values } = parseArgs({
  options: {
    turns: { type: 'string', default: '5' },
    ms: { type: 'string', default: '2000' },
    callers: { type: 'string', default: '1000' },
  },
});
const [turns, lengthMs, callers] = [Number(values.turns), Number(values.ms), Number(values.callers)];

/** What one way has done in its turns. */
interface Way {
  readonly name: string;
  readonly callers: number;
  readonly get: (key: string) => Promise<string | null>;
  readonly rates: number[];
  /** CPU of this process for each operation, µs. */
  readonly costs: number[];
}

/** Callers who each get the next key when they have the last; for one turn. */
async function turn({ get, callers: count, rates, costs }: Way, forMs: number): Promise<void> {
  const startedAt = performance.now();
  const cpu = process.cpuUsage();
  let done = 0;
  let wrong = 0;
  const call = async (caller: number): Promise<void> => {
    const key = `key:${caller}`;
    const wanted = `value ${caller}`;
    while (performance.now() - startedAt < forMs) {
      if ((await get(key)) !== wanted) wrong += 1;
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: count }, (_, caller) => call(caller)));
  const { user, system } = process.cpuUsage(cpu);
  rates.push((done / (performance.now() - startedAt)) * 1000);
  costs.push((user + system) / done);
  if (wrong > 0) throw new Error(`${wrong} replies were another's`);
}

if (hasRedis()) {
  await using redis = await startRedis();
  await using single = new RedisClient([redis], { mode: 'single', maxConnections: 1 });
  await using pipelined = new RedisClient([redis], { maxConnections: 1, depth: 10_000 });
  const plain = new Redis({ port: redis.port });
  const automatic = new Redis({ port: redis.port, enableAutoPipelining: true });
  for (let caller = 0; caller < callers; caller += 1) await pipelined.set(`key:${caller}`, `value ${caller}`);
  const way = (name: string, count: number, client: { get(key: string): Promise<string | null> }): Way => ({
    name,
    callers: count,
    get: (key) => client.get(key),
    rates: [],
    costs: [],
  });
  const oneByOne = way('poold, one at a time', 1, single);
  const ours = way('poold, pipelined', callers, pipelined);
  const theirs = way('ioredis, auto-pipelining', callers, automatic);
  const ways = [oneByOne, way('ioredis, one at a time', 1, plain), ours, theirs];
  for (const each of ways) {
    await turn(each, lengthMs / 4);
    each.rates.length = each.costs.length = 0;
  }
  for (let round = 0; round < turns; round += 1) for (const each of ways) await turn(each, lengthMs);
  const rows = ways.map(({ name, callers: count, rates, costs }) => [
    name,
    String(count),
    spread(rates, 0),
    spread(costs, 1),
  ]);
  console.log(table(['way', 'callers', 'operations/s', 'CPU of the client, µs each'], rows));
  console.log(`pipelined against one at a time: ${(median(ours.rates) / median(oneByOne.rates)).toFixed(1)} (goal 10)`);
  console.log(
    `against ioredis, median of the turns: ${median(ratios(ours.rates, theirs.rates)).toFixed(2)} (goal 0.9)`,
  );
  console.log(`load ${loadavg()[0]?.toFixed(1)} on ${cpus().length} cores, Node.js ${process.version}`);
  plain.disconnect();
  automatic.disconnect();
  const faults = await inTurns<(typeof FAULTS)[number], Fault>(FAULTS, turns, ({ measure }) => measure(callers));
  const faultRows = FAULTS.map(({ name }) => {
    const of = (figure: (fault: Fault) => number, digits: number): string =>
      spread((faults.get(name) ?? []).map(figure), digits);
    const share = of(({ done, failed }) => (100 * failed) / (done + failed), 3);
    return [name, share, of(({ pauseMs }) => pauseMs, 1), of(({ slowestMs }) => slowestMs, 1)];
  });
  console.log(table(['what happens', 'failed, %', 'loss to first reply, ms', 'slowest request, ms'], faultRows));
}
