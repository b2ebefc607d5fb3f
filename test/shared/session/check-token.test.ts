import test from 'ava';
import { checkTokens } from '../../../src/shared/session/check-token.ts';

const LONG = 'sixteen letters!';

test('what is good enough comes back as a list', (t) => {
  t.deepEqual(checkTokens(undefined, true), []);
  t.deepEqual(checkTokens(undefined, undefined), []);
  t.deepEqual(checkTokens('short', true), ['short']);
  t.deepEqual(checkTokens(LONG, false), [LONG]);
  t.deepEqual(checkTokens([LONG, `${LONG}2`], false), [LONG, `${LONG}2`]);
});

test('an empty token is refused everywhere, a missing or short one where others can reach', (t) => {
  for (const [token, loopback] of [
    ['', true],
    [[], true],
    [['good', ''], undefined],
    [undefined, false],
    ['fifteen letters', false],
    [[LONG, 'short'], false],
  ] as const) {
    const error = t.throws(() => checkTokens(token, loopback), { code: 'POOLD_ERR_INVALID_OPTION' });
    t.false(error?.message.includes('fifteen'), 'the token is not quoted');
  }
});
