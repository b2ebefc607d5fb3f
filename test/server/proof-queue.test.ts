import test from 'ava';
import { type Proof, ProofQueue } from '../../src/server/proof-queue.ts';
import { manualClock } from '../helpers/clock.ts';

/** A queue and what it has judged, refused unjudged and given up, by name. All are wrong unless `right` says otherwise. */
function queueOf(...right: string[]) {
  const time = manualClock();
  const heard = { judged: [] as string[], refused: [] as string[], givenUp: [] as string[] };
  const lots: number[] = [];
  const queue = new ProofQueue({ clock: time.clock, random: () => lots.shift() ?? 0 });
  const enter = (client: string, address = 'bad', kid = 'kid'): Proof => {
    const proof: Proof = {
      address,
      caller: { client, kid },
      since: time.clock.now(),
      judge() {
        heard.judged.push(client);
        if (right.includes(client)) queue.welcomed(proof);
        else queue.refused(proof);
      },
      refuse: () => heard.refused.push(client),
      giveUp() {
        heard.givenUp.push(client);
        queue.leave(proof);
      },
    };
    queue.enter(proof);
    return proof;
  };
  /** Slows the address, and lets the first turn pass. */
  const slow = (): void => {
    for (let time = 0; time < 6; time += 1) enter(`guesser ${time}`);
    heard.judged.length = 0;
  };
  return { queue, time, heard, lots, enter, slow, right };
}

test('case 8: five wrong proofs are judged at once, then one in 100 ms', async (t) => {
  const { queue, time, heard, enter } = queueOf();
  for (let guess = 0; guess < 20; guess += 1) enter(`guesser ${guess}`);
  t.is(heard.judged.length, 6);
  t.is(queue.waiting, 14);
  await time.advance(99);
  t.is(heard.judged.length, 6);
  await time.advance(1);
  t.is(heard.judged.length, 7);
  await time.advance(1000);
  t.is(heard.judged.length, 17);
  t.deepEqual([queue.failures, queue.slowed], [17, 1]);
});

test('other addresses do not wait', (t) => {
  const { heard, enter, slow } = queueOf();
  slow();
  enter('elsewhere', 'good');
  t.deepEqual(heard.judged, ['elsewhere']);
});

test('the turn goes by lot, not to who came first', async (t) => {
  const { time, heard, lots, enter, slow } = queueOf();
  slow();
  for (const client of ['first', 'second', 'third']) enter(client);
  lots.push(0.99, 0.5);
  await time.advance(200);
  t.deepEqual(heard.judged, ['third', 'second']);
});

test('case 4: who has proved a token is judged at once, at the same address and at another slowed one', (t) => {
  const { heard, enter, slow } = queueOf('real');
  enter('real');
  slow();
  enter('stranger');
  enter('real');
  for (let guess = 0; guess < 6; guess += 1) enter(`guesser ${guess}`, 'also bad');
  enter('real', 'also bad');
  t.is(heard.judged.filter((client) => client === 'real').length, 2);
  t.false(heard.judged.includes('stranger'));
});

test('another token does not profit from the one that was proved', (t) => {
  const { queue, heard, enter, slow } = queueOf('real');
  const { address, since } = enter('real');
  slow();
  const proof: Proof = {
    address,
    since,
    caller: { client: 'real', kid: 'other' },
    judge: () => heard.judged.push('other token'),
    refuse() {},
    giveUp() {},
  };
  queue.enter(proof);
  t.deepEqual(heard.judged, []);
});

test('one that is drawn lets the others of its client in', async (t) => {
  const { queue, time, heard, lots, enter, slow } = queueOf('real');
  slow();
  for (const client of ['real', 'stranger', 'real', 'real']) enter(client);
  lots.push(0);
  await time.advance(100);
  t.deepEqual(heard.judged, ['real', 'real', 'real']);
  t.is(queue.waiting, 1);
});

test('a success does not forgive the address', async (t) => {
  const { time, heard, enter, slow } = queueOf('real');
  slow();
  enter('real');
  await time.advance(100);
  heard.judged.length = 0;
  enter('stranger');
  t.deepEqual(heard.judged, []);
});

test('nobody is judged who has hung up', async (t) => {
  const { queue, time, heard, enter, slow } = queueOf();
  slow();
  const [first] = [enter('first'), enter('second')];
  queue.leave(first);
  queue.leave(first);
  t.is(queue.waiting, 1);
  await time.advance(200);
  t.deepEqual(heard.judged, ['second']);
});

test('who has no turn for four seconds is told to come back', async (t) => {
  const { queue, time, heard, lots, enter, slow } = queueOf();
  slow();
  enter('unlucky');
  for (let turn = 0; turn < 40; turn += 1) {
    enter(`lucky ${turn}`);
    lots.push(0.99);
    await time.advance(100);
  }
  t.deepEqual(heard.givenUp, ['unlucky']);
  t.is(queue.waiting, 0);
});

test('when the address is forgiven, all who wait have their turn, and no timer is left', async (t) => {
  const { queue, time, heard, enter, slow } = queueOf('real');
  slow();
  await time.advance(9950);
  // One failure is left above the free ones for 50 ms more.
  enter('a');
  enter('real');
  await time.advance(300_000);
  t.is(heard.judged.length, 2);
  t.deepEqual([queue.waiting, queue.slowed, time.timers], [0, 0, 0]);
});

test('one mistyped token, said by eight connections at once, is one mistake', async (t) => {
  const { queue, time, heard, enter } = queueOf();
  for (let round = 0; round < 3; round += 1) {
    for (let dial = 0; dial < 8; dial += 1) enter('mistyped');
    await time.advance(1000);
  }
  t.is(heard.judged.length, 3);
  t.is(heard.refused.length, 21);
  t.deepEqual([queue.failures, queue.slowed], [24, 0]);
  enter('neighbour');
  t.is(heard.judged.at(-1), 'neighbour');
});

test('case 8: whoever guesses again as the same client is not judged for a second, and each other guess counts', async (t) => {
  const { queue, time, heard, enter } = queueOf();
  for (let guess = 0; guess < 100; guess += 1) enter('guesser');
  t.is(heard.judged.length, 1);
  await time.advance(999);
  enter('guesser');
  t.is(heard.judged.length, 1);
  enter('guesser', 'elsewhere');
  enter('guesser', 'bad', 'other kid');
  t.is(heard.judged.length, 3);
  await time.advance(1);
  enter('guesser');
  t.is(heard.judged.length, 4);
  for (let guess = 0; guess < 20; guess += 1) enter('guesser', 'bad', `kid ${guess}`);
  t.is(queue.slowed, 1);
});

test('when one that waits is drawn and wrong, the others of its client are refused with it', async (t) => {
  const { queue, time, heard, lots, enter, slow } = queueOf();
  slow();
  for (const client of ['mistyped', 'stranger', 'mistyped']) enter(client);
  lots.push(0);
  await time.advance(100);
  t.deepEqual([heard.judged, heard.refused, queue.waiting], [['mistyped'], ['mistyped'], 1]);
});

test('case 4: whoever holds another token pushes no known client out', (t) => {
  const { heard, enter, slow, right } = queueOf('real');
  enter('real');
  for (let client = 0; client < 5000; client += 1) {
    right.push(`mine ${client}`);
    enter(`mine ${client}`, 'elsewhere', 'my kid');
  }
  slow();
  enter('real');
  enter('mine 0', 'bad', 'my kid');
  t.deepEqual(heard.judged, ['real']);
});
