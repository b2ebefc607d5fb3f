import test from 'ava';
import { readResponseHead } from '../../src/balancer/response-head.ts';

function read(...fields: readonly string[]) {
  return readResponseHead(fields, 200);
}

test('headers go on as they came, in order and letter by letter', (t) => {
  const fields = ['Set-Cookie', 'a=1', 'set-cookie', 'b=2', 'X-Name', 'J\u00fcrgen', 'Content-Length', '3'];
  t.deepEqual(read(...fields), {
    headers: fields,
    trailer: undefined,
    keepAlive: undefined,
    hasLength: true,
    isOpenEnded: false,
    isCoded: false,
  });
});

test('those for this hop alone do not, nor what Connection names', (t) => {
  const hop = ['Connection', 'keep-alive, X-Hop', 'Keep-Alive', 'timeout=5', 'Transfer-Encoding', 'chunked'];
  const more = ['X-Hop', '1', 'Upgrade', 'h2', 'TE', 'x', 'Proxy-Connection', 'close'];
  t.deepEqual(read(...hop, 'Server', 'x', ...more), {
    headers: ['Server', 'x'],
    trailer: undefined,
    keepAlive: 'timeout=5',
    hasLength: false,
    isOpenEnded: false,
    isCoded: false,
  });
  t.deepEqual(read('Connection', 'content-length', 'Content-Length', '3').headers, ['Content-Length', '3']);
});

test('announced trailers are told apart: not every client can get them', (t) => {
  t.deepEqual(read('Trailer', 'X-Sum', 'trailer', 'X-End'), {
    headers: [],
    trailer: 'X-Sum, X-End',
    keepAlive: undefined,
    hasLength: false,
    isOpenEnded: true,
    isCoded: false,
  });
});

for (const status of [101, 204] as const) {
  test(`a ${status} has no length, whatever its server says`, (t) => {
    const { headers, hasLength } = readResponseHead(['Content-Length', '5', 'Server', 'x'], status);
    t.deepEqual([headers, hasLength], [['Server', 'x'], false]);
  });
}
