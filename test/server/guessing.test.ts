/** Strangers who guess tokens, against a real server pool: what they get, and what it costs the real client. */
import test from 'ava';
import { ClientPool } from '../../src/client/client-pool.ts';
import { ServerPool } from '../../src/server/server-pool.ts';
import type { DialFailedEvent } from '../../src/shared/pool/pool-events.ts';
import { manualClock } from '../helpers/clock.ts';
import { nextEvent, until } from '../helpers/events.ts';
import { type GuesserOptions, type Guessers, startGuessers } from '../helpers/guesser.ts';
import { TOKEN } from '../helpers/pair.ts';

const LISTEN = '127.0.0.1:0';

/** Free guesses, and the first one in turn. */
const FREE = 6;

async function guessersAt(pool: ServerPool, options: Omit<GuesserOptions, 'to'>): Promise<Guessers> {
  const { host = '', port = 0 } = pool.address ?? {};
  const guessers = await startGuessers({ to: { host, port }, ...options });
  await until(() => guessers.refused >= FREE && pool.stats().waitingGreetings === options.atOnce, 'all of them wait');
  return guessers;
}

test('case 8: guesses are judged one in 100 ms, however many connections guess at once', async (t) => {
  for (const tls of [0, 1] as const) {
    const time = manualClock();
    await using pool = new ServerPool({ listen: LISTEN, token: TOKEN, tls: { mode: tls }, clock: time.clock });
    await pool.start();
    using guessers = await guessersAt(pool, { atOnce: 10, tls });
    for (const turn of [1, 2, 3]) {
      await time.advance(100);
      await until(() => guessers.refused === FREE + turn && pool.stats().waitingGreetings === 10, 'the next is judged');
    }
    t.like(pool.stats(), { arriving: 10, failedGreetings: FREE + 3, slowedAddresses: 1, errorCount: FREE + 3 });
    guessers.stop();
    await until(() => pool.arriving === 0, 'they have left');
    t.is(pool.stats().waitingGreetings, 0);
  }
});

test('case 4: a client that was in comes back at once while others guess from its address', async (t) => {
  const { clock } = manualClock();
  await using pool = new ServerPool({ listen: LISTEN, token: TOKEN, clock });
  await pool.start();
  await using client = new ClientPool({ dial: pool.address ?? '', token: TOKEN, minCapacity: 8, maxCapacity: 8 });
  await client.start();
  await client.warmed(8);
  using guessers = await guessersAt(pool, { atOnce: 20, tls: 1 });
  client.flush();
  // The server's time stands still: no turn comes.
  await until(() => client.generation === 1 && client.idle === 8 && pool.idle === 8, 'it is back');
  t.is(guessers.refused, FREE);
});

test('case 4: a new client gets in while others guess from its own address', async (t) => {
  await using pool = new ServerPool({ listen: LISTEN, token: TOKEN });
  await pool.start();
  using guessers = await guessersAt(pool, { atOnce: 20, tls: 1 });
  await using client = new ClientPool({ dial: pool.address ?? '', token: TOKEN, minCapacity: 8 });
  await client.start();
  // Eight of 28 at each of ten turns a second: not in within 5 s once in 10⁷ times.
  await client.warmed(8);
  t.is(pool.stats().slowedAddresses, 1);
  t.true(guessers.refused >= FREE);
});

test('one client with a wrong token does not slow its address', async (t) => {
  const { clock } = manualClock();
  await using pool = new ServerPool({ listen: LISTEN, token: TOKEN, clock });
  await pool.start();
  const dial = pool.address ?? '';
  await using mistyped = new ClientPool({ dial, token: 'another token, long enough', minCapacity: 8 });
  await mistyped.start();
  await until(() => pool.stats().failedGreetings >= 8, 'all of its first dials are refused');
  t.is(pool.stats().slowedAddresses, 0);
});

test('a client that has a token but was not let in is a stranger', async (t) => {
  const { clock } = manualClock();
  await using pool = new ServerPool({ listen: LISTEN, token: TOKEN, clock });
  await pool.start();
  await using client = new ClientPool({ dial: pool.address ?? '', token: TOKEN, tunnel: 'elsewhere', minCapacity: 1 });
  const refused = nextEvent<DialFailedEvent>(client, 'dialFailed');
  await client.start();
  t.regex((await refused).error.message, /no tunnel named elsewhere/);
  using guessers = await startGuessers({ to: pool.address ?? { host: '', port: 0 }, atOnce: 1, tls: 1 });
  await until(() => pool.stats().waitingGreetings === 2, 'it waits like the guesser');
  guessers.stop();
  t.is(pool.size, 0);
});

test('case 4: a new client at another address does not wait for guessers', async (t) => {
  const { clock } = manualClock();
  await using pool = new ServerPool({ listen: LISTEN, token: TOKEN, clock });
  await pool.start();
  using guessers = await guessersAt(pool, { atOnce: 20, tls: 1, from: '127.0.0.2' });
  await using client = new ClientPool({ dial: pool.address ?? '', token: TOKEN, minCapacity: 8 });
  await client.start();
  await client.warmed(8);
  t.is(guessers.refused, FREE);
});
