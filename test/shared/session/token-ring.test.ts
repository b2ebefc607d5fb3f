import test from 'ava';
import { TokenRing } from '../../../src/shared/session/token-ring.ts';
import { held } from '../../helpers/memory.ts';

test('each tunnel has a key of its own, the same every time', async (t) => {
  const ring = await TokenRing.from([]);
  const web = ring.keyFor(ring.kid, 'web');
  t.deepEqual(ring.keyFor(ring.kid, 'web'), web);
  t.notDeepEqual(ring.keyFor(ring.kid, 'ssh'), web);
  t.is(ring.keyFor('00000000', 'web'), undefined);
});

test('tunnels that somebody invents leave nothing behind', async (t) => {
  const ring = await TokenRing.from([]);
  ring.keyFor(ring.kid, 'first');
  const before = held();
  for (let name = 0; name < 4000; name += 1) ring.keyFor(ring.kid, `invented-${name}`);
  const grown = held() - before;
  t.true(grown < 200_000, `${grown} bytes`);
  t.truthy(ring.keyFor(ring.kid, 'first'));
});
