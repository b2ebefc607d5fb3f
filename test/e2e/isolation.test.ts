/**
 * Two visitors back to back on one connection: the first ends in every way at every point, and nothing of it reaches the
 * second. There is one connection at a time, and the second visitor wants it in the very moment it is free.
 */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { breakOff } from '../../src/shared/relay/relay.ts';
import { until } from '../helpers/events.ts';
import { type Pair, type PairOptions, startPair } from '../helpers/pair.ts';
import { startSilentTarget, startTarget } from '../helpers/targets.ts';
import { giveTransfer } from '../helpers/transfer.ts';

// Memory that is given back too early would show in the next visit's bytes.
giveTransfer();

/** More than all buffers on the way hold. */
const MUCH = Buffer.alloc(12 * 1024 * 1024, 'A');
const MUCH_BACK = Buffer.alloc(12 * 1024 * 1024, 'a');
const SOME = 3000;

/** One end of a visit: what has come, and whether it has ended. */
class End {
  readonly socket: Socket;
  /** Bytes that have come, and which they were. */
  bytes = 0;
  readonly seen = new Set<string>();
  ended = false;
  #released = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('data', (data: Buffer) => {
      this.bytes += data.length;
      const [letter = 0] = data;
      // Almost always the only one, which is quickly seen.
      const letters = data.equals(Buffer.alloc(data.length, letter)) ? [letter] : new Set(data);
      for (const one of letters) this.seen.add(String.fromCharCode(one));
    });
    socket.on('end', () => {
      this.ended = true;
      if (this.#released) this.#answer();
    });
  }

  get letters(): string {
    return [...this.seen].join('');
  }

  /** Whoever is still there reads on, and ends when the other side has; a target answers the second visitor. */
  release(): void {
    if (this.#released || this.socket.destroyed) return;
    this.#released = true;
    this.socket.resume();
    if (this.ended) this.#answer();
  }

  #answer(): void {
    this.socket.end(Buffer.alloc(this.seen.has('B') ? SOME : 0, 'b'));
  }
}

/** The first visit, as far as it has come. */
interface First {
  readonly visitor: End;
  /** The target's end, as soon as it is there. */
  readonly target: () => Promise<End>;
}

type Doing = (first: First) => Promise<unknown> | void;

const said: Doing = async ({ visitor, target }) => {
  visitor.socket.write(MUCH.subarray(0, SOME));
  const end = await target();
  await until(() => end.bytes >= SOME, 'the target has heard the visitor');
};
const answered: Doing = async ({ visitor, target }) => {
  (await target()).socket.write(MUCH_BACK.subarray(0, SOME));
  await until(() => visitor.bytes >= SOME, 'the visitor has heard the target');
};
/** Everything on the way is full. */
const blocked = async (socket: Socket): Promise<void> => {
  let left = -1;
  let looks = 0;
  while (looks < 20) {
    looks = left === socket.bytesWritten - socket.writableLength ? looks + 1 : 0;
    left = socket.bytesWritten - socket.writableLength;
    await new Promise((resolve) => setImmediate(resolve));
  }
};
const flooded: Doing = async ({ visitor, target }) => {
  (await target()).socket.pause();
  visitor.socket.write(MUCH);
  await blocked(visitor.socket);
};
const floodedBack: Doing = async ({ visitor, target }) => {
  visitor.socket.pause();
  const { socket } = await target();
  socket.write(MUCH_BACK);
  await blocked(socket);
};

/** How far the first visit has come. */
const POINTS: Readonly<Record<string, readonly Doing[]>> = {
  'it has just connected': [],
  'it has just said something': [({ visitor }) => void visitor.socket.write(MUCH.subarray(0, SOME))],
  'its target is connected': [({ target }) => target()],
  'the target has heard it': [said],
  'the target has just spoken': [async ({ target }) => void (await target()).socket.write(MUCH_BACK.subarray(0, SOME))],
  'it has heard the target': [answered],
  'both have spoken': [said, answered],
  'much is on its way there': [flooded],
  'much is on its way back': [floodedBack],
  'much is on its way both ways': [flooded, floodedBack],
  'it has ended': [
    said,
    async ({ visitor, target }) => {
      visitor.socket.end();
      const end = await target();
      await until(() => end.ended, 'the target has heard the end');
    },
  ],
  'the target has ended': [
    answered,
    async ({ visitor, target }) => {
      (await target()).socket.end();
      await until(() => visitor.ended, 'the visitor has heard the end');
    },
  ],
  'it has ended behind much': [flooded, ({ visitor }) => void visitor.socket.end()],
  'the target has ended behind much': [floodedBack, async ({ target }) => void (await target()).socket.end()],
  'both have ended behind much': [
    flooded,
    floodedBack,
    async ({ visitor, target }) => {
      visitor.socket.end();
      (await target()).socket.end();
    },
  ],
};

const reset = ({ socket }: End): void => breakOff(socket);

/** How it ends; whoever is left reads on and ends in its turn. */
type Ending = (first: First, world: World) => Promise<unknown> | void;

const ENDINGS: Readonly<Record<string, Ending>> = {
  'the visitor resets': ({ visitor }) => reset(visitor),
  'the visitor is gone': ({ visitor }) => void visitor.socket.destroy(),
  'the visitor ends': ({ visitor }) => void visitor.socket.end(),
  'the target resets': async ({ target }) => reset(await target()),
  'the target is gone': async ({ target }) => void (await target()).socket.destroy(),
  'the target ends': async ({ target }) => void (await target()).socket.end(),
  'both reset': async ({ visitor, target }) => {
    const end = await target();
    reset(visitor);
    reset(end);
  },
  'both end': async ({ visitor, target }) => {
    const end = await target();
    visitor.socket.end();
    end.socket.end();
  },
  'the connection breaks': async ({ visitor }, { pair, ids }) => {
    await until(() => ids.length > 0, 'the first visitor has its connection');
    pair.server.pool.flush();
    // Where the visit had not arrived there, it is moved to another connection and goes on.
    visitor.socket.end();
  },
};

interface World {
  readonly pair: Pair;
  /** The target's ends in the order in which they came. */
  readonly ends: End[];
  /** The first visit is over, or ends: who comes to the target is left to itself. */
  over: boolean;
  /** The connections that visits were opened on, in order. */
  readonly ids: string[];
}

/** A pair with one connection at a time. */
async function startWorld(t: ExecutionContext, options: Omit<PairOptions, 'target'>): Promise<World> {
  const ends: End[] = [];
  const target = await startTarget((socket) => {
    const end = new End(socket);
    ends.push(end);
    if (world.over) end.release();
  });
  const pair = await startPair({
    tls: 1,
    ...options,
    target: target.port,
    client: { minCapacity: 1, maxCapacity: 1, random: () => 0, ...options.client },
  });
  const world: World = { pair, ends, ids: [], over: false };
  const entrance = options.flow === 'forward' ? pair.client : pair.server;
  entrance.on('visitOpened', ({ id }) => void world.ids.push(id));
  t.teardown(async () => {
    await pair[Symbol.asyncDispose]();
    await target[Symbol.asyncDispose]();
  });
  return world;
}

/** A first visit, up to a point, and its end; and a second visitor, who says `B`s, hears `b`s and nothing else. */
async function backToBack(
  t: ExecutionContext,
  world: World,
  point: string,
  [ending, end]: readonly [string, Ending],
  early: boolean,
): Promise<void> {
  const title = `${point}, ${ending}, the second ${early ? 'waits already' : 'comes then'}`;
  const { pair, ends } = world;
  world.over = false;
  world.ids.length = 0;
  ends.length = 0;
  const visitor = new End(pair.visit());
  await once(visitor.socket, 'connect');
  const target = async (): Promise<End> => {
    await until(() => ends.length > 0, `${title}: the target is there`);
    return ends[0] as End;
  };
  const first = { visitor, target };
  for (const step of POINTS[point] ?? []) await step(first);
  const waiting = early ? new End(pair.visit()) : undefined;
  if (waiting !== undefined) await once(waiting.socket, 'connect');
  await end(first, world);
  world.over = true;
  for (const one of [visitor, ...ends]) one.release();
  const next = waiting ?? new End(pair.visit());
  next.socket.end(Buffer.alloc(SOME, 'B'));
  await until(() => next.ended || next.socket.destroyed, `${title}: the second is answered`);
  const heard = ends.filter(({ seen }) => seen.has('B')).map(({ letters, bytes }) => `${bytes} ${letters}`);
  t.deepEqual({ answer: `${next.bytes} ${next.letters}`, heard }, { answer: `${SOME} b`, heard: [`${SOME} B`] }, title);
  t.regex(visitor.letters, /^a?$/, `${title}: the first`);
  for (const { letters } of ends) t.regex(letters, /^[AB]?$/, `${title}: a target`);
  next.release();
  await until(() => pair.server.visits + pair.client.visits === 0, `${title}: both are over`);
  for (const { socket } of [visitor, next]) socket.destroy();
}

for (const flow of ['reverse', 'forward'] as const) {
  test(`${flow}: whatever way a visit ends, at whatever point, the next on its connection hears only its own bytes`, async (t) => {
    const world = await startWorld(t, { flow });
    for (const ending of Object.entries(ENDINGS)) {
      let [again, replaced] = [0, 0];
      for (const point of Object.keys(POINTS)) {
        for (const early of [false, true]) {
          await backToBack(t, world, point, ending, early);
          const [one, two] = world.ids;
          if (one === two) again += 1;
          else replaced += 1;
        }
      }
      t.log(`${ending[0]}: the connection was used again ${again} times, replaced ${replaced} times`);
    }
  });
}

test('a visit that stalls, blocked at whichever end, leaves nothing to the next', async (t) => {
  const stallTimeoutMs = 300;
  const world = await startWorld(t, { tunnelServer: { stallTimeoutMs }, tunnelClient: { stallTimeoutMs } });
  const stalls: string[] = [];
  for (const end of [world.pair.server, world.pair.client]) {
    end.on('visitClosed', ({ reason }) => void stalls.push(reason));
  }
  const stall: Ending = () => until(() => stalls.includes('stalled'), 'it has been given up');
  for (const point of ['much is on its way there', 'much is on its way back', 'much is on its way both ways']) {
    stalls.length = 0;
    await backToBack(t, world, point, ['it stalls', stall], false);
    const [one, two] = world.ids;
    t.log(`${point}: the connection was ${one === two ? 'used again' : 'replaced'}`);
  }
});

for (const [how, leave] of [
  ['resets', ({ socket }: End) => void socket.resetAndDestroy()],
  ['is gone', ({ socket }: End) => void socket.destroy()],
  ['has ended, and is turned away when the target is given up', ({ socket }: End) => void socket.end()],
] as const) {
  test(`a visitor who ${how} before its target is connected leaves nothing to the next`, async (t) => {
    const silent = await startSilentTarget();
    await using pair = await startPair({
      tls: 1,
      target: silent.port,
      client: { minCapacity: 1, maxCapacity: 1 },
      tunnelClient: { connectTimeoutMs: 500 },
    });
    const visitor = new End(pair.visit());
    visitor.socket.write(MUCH);
    await until(() => pair.client.visits === 1, 'its target is being connected');
    leave(visitor);
    if (how.startsWith('has ended')) await until(() => visitor.socket.closed, 'it is turned away');
    await silent[Symbol.asyncDispose]();
    let heard = '';
    const target = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => {}).on('data', (data: Buffer) => (heard += String(data)));
      socket.on('end', () => socket.end(Buffer.alloc(SOME, 'b')));
    });
    target.listen(silent.port, '127.0.0.1');
    t.teardown(() => void target.close());
    await once(target, 'listening');
    const next = new End(pair.visit());
    next.socket.end(Buffer.alloc(SOME, 'B'));
    await until(() => next.ended || next.socket.destroyed, 'the second is answered');
    t.is(`${next.bytes} ${next.letters}`, `${SOME} b`);
    t.is(heard, 'B'.repeat(SOME));
    t.is(visitor.letters, '');
    next.socket.end();
  });
}
