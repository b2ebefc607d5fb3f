import test from 'ava';
import { checkTokens } from '../../../src/shared/session/check-token.ts';

const LONG = 'sixteen letters!';

test('what is good enough comes back as a list', (t) => {
  t.deepEqual(checkTokens(undefined, true), []);
  t.deepEqual(checkTokens(undefined, undefined), []);
  t.deepEqual(checkTokens('short', true), [{ token: 'short' }]);
  t.deepEqual(checkTokens(LONG, false), [{ token: LONG }]);
  t.deepEqual(checkTokens([LONG, `${LONG}2`, LONG], false), [{ token: LONG }, { token: `${LONG}2` }, { token: LONG }]);
});

test('a token may have a name, an end and tunnels', (t) => {
  const expiresAt = Date.UTC(2027, 0, 31);
  for (const expires of [new Date(expiresAt), '2027-01-31', '2027-01-31T00:00Z', '2027-01-31T01:00:00.000+01:00']) {
    const [token] = checkTokens([{ token: LONG, name: 'alice', expires, tunnels: ['web', 'ssh'] }], false);
    t.deepEqual(token, { token: LONG, name: 'alice', expiresAt, tunnels: new Set(['web', 'ssh']) });
  }
});

test('what a token is good for is refused by its place when it makes no sense, and no secret is quoted', (t) => {
  const option = (...token: unknown[]): string | undefined => {
    const error = t.throws(() => checkTokens(token as never, true), { code: 'POOLD_ERR_INVALID_OPTION' });
    t.false(error?.message.includes(LONG), error?.message);
    return error?.message.split(':')[0];
  };
  const token = LONG;
  t.is(option({ token, name: 'no name' }), 'token[0].name');
  t.is(option({ token }, { token: 'b', expires: 'tomorrow' }), 'token[1].expires');
  t.is(option({ token, expires: '2027-13-01' }), 'token[0].expires');
  t.is(option({ token, expires: new Date('never') }), 'token[0].expires');
  t.is(option({ token, tunnels: [] }), 'token[0].tunnels');
  t.is(option({ token, tunnels: LONG }), 'token[0].tunnels');
  t.is(option({ token, tunnels: ['a b'] }), 'token[0].tunnels.0');
  t.is(option({ token, expire: '2027-01-31' }), 'token[0].expire');
  t.is(option({ name: LONG }), 'token[0].token');
  t.is(option({ token: '' }), 'token');
  t.is(option(12_345), 'token[0]');
  t.is(option({ token, name: 'a' }, { token, name: 'b' }), 'token');
  t.throws(() => checkTokens(7 as never, true), { message: /^token: wants/ });
});

test('case 6: an empty token is refused everywhere, a missing or short one where others can reach', (t) => {
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
