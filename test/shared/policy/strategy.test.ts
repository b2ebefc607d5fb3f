import test from 'ava';
import { makeStrategy, type StrategyName } from '../../../src/shared/policy/strategy.ts';

interface Member {
  readonly name: string;
  usable: boolean;
  inUse: number;
}

const members = (...inUse: number[]): Member[] =>
  inUse.map((used, index) => ({ name: 'abcdef'[index] ?? '', usable: true, inUse: used }));

/** Who is chosen in so many turns. */
function chosen(name: StrategyName, among: readonly Member[], turns: number, random?: () => number): string {
  const strategy = makeStrategy(name, random);
  return Array.from({ length: turns }, () => strategy(among)?.name ?? '-').join('');
}

test('round-robin takes each in turn and passes over who is not usable', (t) => {
  const three = members(0, 0, 0);
  t.is(chosen('round-robin', three, 7), 'abcabca');
  (three[1] as Member).usable = false;
  t.is(chosen('round-robin', three, 4), 'acac');
});

test('round-robin gives a newcomer the next turn, and who was away its own', (t) => {
  const strategy = makeStrategy('round-robin');
  const three = members(0, 0, 0);
  t.is(strategy(three.slice(0, 2))?.name, 'a');
  t.is(strategy(three)?.name, 'b');
  t.is(strategy(three)?.name, 'c');
  t.is(strategy(three.slice(1))?.name, 'b');
  t.is(strategy(three)?.name, 'a');
});

test('round-robin goes on where it was when members leave', (t) => {
  const strategy = makeStrategy('round-robin');
  const three = members(0, 0, 0);
  t.is(strategy(three)?.name, 'a');
  t.is(strategy(three)?.name, 'b');
  t.is(strategy(three.slice(0, 2))?.name, 'a');
});

test('least-in-use takes who carries least, and equals in turn', (t) => {
  t.is(chosen('least-in-use', members(2, 1, 3), 3), 'bbb');
  t.is(chosen('least-in-use', members(1, 1, 1), 4), 'abca');
});

test('random-of-two takes the lesser of two', (t) => {
  const draws = [0, 0.99];
  t.is(
    chosen('random-of-two', members(5, 0, 1), 1, () => draws.shift() ?? 0),
    'c',
  );
  t.is(chosen('random-of-two', members(5), 2), 'aa');
});

test('failover keeps to the first that is usable, and comes back to it', (t) => {
  const three = members(9, 0, 0);
  t.is(chosen('failover', three, 2), 'aa');
  (three[0] as Member).usable = false;
  t.is(chosen('failover', three, 2), 'bb');
  (three[0] as Member).usable = true;
  t.is(chosen('failover', three, 1), 'a');
});

for (const name of ['round-robin', 'least-in-use', 'random-of-two', 'failover'] as const) {
  test(`${name} finds nobody where nobody is usable`, (t) => {
    t.is(chosen(name, [], 1), '-');
    const nobody = members(0, 0);
    for (const member of nobody) member.usable = false;
    t.is(chosen(name, nobody, 2), '--');
  });
}
