/** Servers that ask for absurd things, say nothing or talk garbage: the client refuses, waits, and tries again. */
import type { Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { ClientPool } from '../../src/client/client-pool.ts';
import type { ClientPoolOptions } from '../../src/client/client-pool-options.ts';
import type { DialStage } from '../../src/shared/errors.ts';
import type { DialFailedEvent } from '../../src/shared/pool/pool-events.ts';
import { Greeter } from '../../src/shared/session/greeter.ts';
import { ServerGreeting } from '../../src/shared/session/greeting.ts';
import { TokenRing } from '../../src/shared/session/token-ring.ts';
import { encodeFrame } from '../../src/shared/wire/encode.ts';
import { FrameType } from '../../src/shared/wire/frame.ts';
import { encodeChallenge } from '../../src/shared/wire/messages.ts';
import { manualClock } from '../helpers/clock.ts';
import { listen } from '../helpers/middle-man.ts';
import { TOKEN } from '../helpers/pair.ts';
import { CHANNEL, NOW, SETTINGS } from '../helpers/session-pair.ts';

const CHALLENGE = encodeFrame(FrameType.challenge, 0, encodeChallenge({ version: 1, nonce: Buffer.alloc(16, 7) }));
const GARBAGE = Buffer.from('{"no":"frame at all"}\r\n'.repeat(10));

/** Dials a server that does its worst until so many dials have failed. */
async function failures(
  t: ExecutionContext,
  secure: boolean,
  serve: (socket: Socket) => void,
  options: Partial<ClientPoolOptions<true>> & { readonly times?: number; readonly wait?: () => Promise<void> } = {},
): Promise<readonly DialFailedEvent[]> {
  const { times = 1, wait = () => Promise.resolve(), ...more } = options;
  using server = await listen(secure, (socket) => {
    socket.resume();
    serve(socket);
  });
  const dial = { host: '127.0.0.1', port: server.port };
  const tls = { mode: secure ? 1 : 0 } as const;
  await using client = new ClientPool({ dial, token: TOKEN, tls, minCapacity: 1, ...more });
  const failed: DialFailedEvent[] = [];
  client.on('dialFailed', (event) => void failed.push(event));
  await client.start();
  for (let deadline = performance.now() + 20_000; failed.length < times && performance.now() < deadline; ) {
    await wait();
    await new Promise((done) => setImmediate(done));
  }
  t.is(failed.length, times);
  t.deepEqual([client.idle, client.inUse], [0, 0]);
  return failed;
}

for (const [what, settings] of Object.entries({
  'a thousand million connections': { maxConnections: 1e9 },
  'no connections': { maxConnections: 0 },
  'a negative keep-alive': { keepAliveMs: -1 },
  'text for a number': { keepAliveMs: 'often' },
  'a keep-alive that floods': { keepAliveMs: 1 },
  'an opener that is nobody': { opener: 'nobody' },
})) {
  test(`case 9: a server that holds the token and asks for ${what} is refused`, async (t) => {
    const tokens = await TokenRing.from([TOKEN]);
    const admit = () => ({ ...SETTINGS, ...settings }) as never;
    const [failed] = await failures(t, false, (socket) => {
      socket.write(CHANNEL.tag);
      const greeting = new ServerGreeting({
        channel: CHANNEL,
        tokens,
        hasTunnel: () => true,
        admit,
        wallNow: () => NOW,
      });
      new Greeter(socket, greeting, { onGreeted() {}, onGreetingFailed() {} }).start();
    });
    t.is(failed?.error.code, 'POOLD_ERR_BAD_SETTINGS');
    t.false(failed?.error.message.includes('often'));
  });
}

const PARTS: readonly { readonly after: string; readonly words: Buffer; readonly stage: DialStage }[] = [
  { after: 'nothing', words: Buffer.alloc(0), stage: 'tag' },
  { after: 'half a tag', words: CHANNEL.tag.subarray(0, 4), stage: 'tag' },
  { after: 'the tag', words: CHANNEL.tag, stage: 'greeting' },
  { after: 'half a CHALLENGE', words: Buffer.concat([CHANNEL.tag, CHALLENGE.subarray(0, 12)]), stage: 'greeting' },
  { after: 'the CHALLENGE', words: Buffer.concat([CHANNEL.tag, CHALLENGE]), stage: 'greeting' },
];

for (const secure of [false, true]) {
  for (const { after, words, stage } of PARTS) {
    test(`case 10: a server that says ${after} and no more is given up in time (TLS: ${secure})`, async (t) => {
      const [failed] = await failures(t, secure, (socket) => void socket.write(words));
      t.is(failed?.error.code, 'POOLD_ERR_HANDSHAKE_TIMEOUT');
      t.is(failed?.stage, stage);
    });

    test(`case 10: garbage behind ${after} is a typed error (TLS: ${secure})`, async (t) => {
      const [failed] = await failures(t, secure, (socket) => void socket.write(Buffer.concat([words, GARBAGE])));
      t.is(failed?.error.code, stage === 'tag' ? 'POOLD_ERR_BAD_TAG' : 'POOLD_ERR_PROTOCOL');
      t.is(failed?.stage, stage);
    });
  }
}

test('case 10: a server that never answers TLS is given up in time', async (t) => {
  const [failed] = await failures(t, false, () => {}, { tls: { mode: 1 } });
  t.is(failed?.error.code, 'POOLD_ERR_HANDSHAKE_TIMEOUT');
  t.is(failed?.stage, 'tls');
});

test('case 10: a server that talks garbage is tried later and later, up to a second, each client at its own time', async (t) => {
  const pauses = async (random: () => number): Promise<number[]> => {
    const time = manualClock();
    const garbage = (socket: Socket): void => void socket.write(GARBAGE);
    const wait = (): Promise<void> => time.advance(5);
    const failed = await failures(t, false, garbage, { times: 8, clock: time.clock, random, wait });
    return failed.map(({ retryInMs }) => retryInMs);
  };
  const [late, early] = [await pauses(() => 0.999), await pauses(() => 0)];
  t.log(`at most ${late.join(', ')} ms, at least ${early.join(', ')} ms`);
  t.true((late.at(-1) ?? 0) > 2 * (late[0] ?? Infinity));
  t.true(late.every((pause, index) => pause <= 1000 && pause > (early[index] ?? Infinity)));
});
