import test from 'ava';
import { checkTokens, tokensFault } from '../../../src/shared/session/check-token.ts';

const LONG = 'sixteen letters!';

test('what is good enough comes back as a list', (t) => {
  t.deepEqual(checkTokens(undefined, false), []);
  t.deepEqual(checkTokens('short', false), [{ token: 'short' }]);
  t.deepEqual(checkTokens(LONG, true), [{ token: LONG }]);
  t.deepEqual(checkTokens([LONG, `${LONG}2`, LONG], true), [{ token: LONG }, { token: `${LONG}2` }, { token: LONG }]);
});

test('a token may have a name, an end and tunnels', (t) => {
  const expiresAt = Date.UTC(2027, 0, 31);
  for (const expires of [new Date(expiresAt), '2027-01-31', '2027-01-31T00:00Z', '2027-01-31T01:00:00.000+01:00']) {
    const [token] = checkTokens([{ token: LONG, name: 'alice', expires, tunnels: ['web', 'ssh'] }], true);
    t.deepEqual(token, { token: LONG, name: 'alice', expiresAt, tunnels: new Set(['web', 'ssh']) });
  }
});

test('what a token is good for is refused by its place when it makes no sense, and no secret is quoted', (t) => {
  const option = (...token: unknown[]): string | undefined => {
    const error = t.throws(() => checkTokens(token as never, false), { code: 'POOLD_ERR_INVALID_OPTION' });
    t.false(error?.message.includes(LONG), error?.message);
    return error?.message.split(':')[0];
  };
  const token = LONG;
  t.is(option({ token, name: 'no name' }), 'token[0].name');
  t.is(option({ token }, { token: 'b', expires: 'tomorrow' }), 'token[1].expires');
  for (const day of ['2027-13-01', '2027-02-31', '2027-02-29', '2027-06-31', '2027-00-10', '2027-01-00']) {
    t.is(option({ token, expires: day }), 'token[0].expires', day);
    t.is(option({ token, expires: `${day}T12:00+01:00` }), 'token[0].expires', day);
  }
  t.is(option({ token, expires: new Date('never') }), 'token[0].expires');
  t.is(option({ token, tunnels: [] }), 'token[0].tunnels');
  t.is(option({ token, tunnels: LONG }), 'token[0].tunnels');
  t.is(option({ token, tunnels: ['a b'] }), 'token[0].tunnels.0');
  t.is(option({ token, expire: '2027-01-31' }), 'token[0].expire');
  t.is(option({ name: LONG }), 'token[0].token');
  t.is(option({ token: '' }), 'token');
  t.is(option(12_345), 'token[0]');
  t.is(option({ token, name: 'a' }, { token, name: 'b' }), 'token');
  t.throws(() => checkTokens(7 as never, false), { message: /^token: wants/ });
});

test('case 6: an empty token is refused everywhere, a missing or short one where others can reach', (t) => {
  for (const [token, required] of [
    ['', false],
    [[], false],
    [['good', ''], false],
    [undefined, true],
    ['fifteen letters', true],
    [[LONG, 'short'], true],
  ] as const) {
    const error = t.throws(() => checkTokens(token, required), { code: 'POOLD_ERR_INVALID_OPTION' });
    t.false(error?.message.includes('fifteen'), 'the token is not quoted');
  }
});

test('the 29th of February is a day in a leap year', (t) => {
  const [token] = checkTokens([{ token: LONG, expires: '2028-02-29' }], true);
  t.is(token?.expiresAt, Date.UTC(2028, 1, 29));
});

test('tokens that let nobody in are found', (t) => {
  const token = LONG;
  const tunnels = (...names: string[]) => new Set(names);
  const fault = (...tokens: Parameters<typeof tokensFault>[0]) => tokensFault(tokens, 'web', 1000)?.message ?? '';
  t.is(fault(), '');
  t.is(fault({ token, expiresAt: 999 }, { token }), '');
  t.is(fault({ token, tunnels: tunnels('ssh') }, { token, tunnels: tunnels('ssh', 'web') }), '');
  t.regex(fault({ token, expiresAt: 999 }, { token, expiresAt: 1000 }), /^token: has expired/);
  t.regex(fault({ token, tunnels: tunnels('ssh') }), /^token: opens other tunnels only/);
  t.regex(fault({ token, expiresAt: 999 }, { token, tunnels: tunnels('ssh') }), /opens other tunnels only/);
  t.false(fault({ token, expiresAt: 1 }).includes(LONG));
});
