import test from 'ava';
import { readHead, type RequestHead, sentHeaders } from '../../src/balancer/request-head.ts';

const STRANGER = { ip: '192.0.2.7', isTrusted: false };
const PROXY = { ip: '10.0.0.1', isTrusted: true };

function read(fields: readonly string[], { url = '/', method = 'GET', minor = 1, asker = STRANGER } = {}) {
  return readHead({ rawHeaders: [...fields], url, method, httpVersionMinor: minor }, asker);
}

/** The headers that go on, as `name: value`. */
function passed(fields: readonly string[], asker = STRANGER): string[] {
  const { headers } = read(['Host', 'example.org', ...fields], { asker }) as RequestHead;
  return headers.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${headers[at + 1]}`] : []));
}

const ADDED = [
  'Host: example.org',
  'X-Forwarded-Host: example.org',
  'X-Forwarded-For: 192.0.2.7',
  'X-Forwarded-Proto: http',
];

test('a server is told who asks, for what and how', (t) => {
  t.deepEqual(passed([]), ADDED);
  t.deepEqual(passed(['Accept', '*/*', 'cookie', 'a=1', 'Cookie', 'b=2']).slice(0, 3), [
    'Accept: */*',
    'cookie: a=1',
    'Cookie: b=2',
  ]);
});

for (const name of ['Connection', 'Keep-Alive', 'Proxy-Connection', 'TE', 'Trailer', 'Upgrade', 'Transfer-Encoding']) {
  test(`${name} is for the next hop alone`, (t) => {
    t.deepEqual(passed([name, name === 'Transfer-Encoding' ? 'chunked' : 'close']), ADDED);
  });
}

test('what Connection names is left out, but for what makes the request', (t) => {
  t.deepEqual(passed(['X-Secret', '1', 'Connection', 'x-secret, Keep-Alive', 'X-Other', '2']), [
    'X-Other: 2',
    ...ADDED,
  ]);
  t.deepEqual(passed(['Content-Length', '3', 'Connection', 'content-length, host, x-forwarded-for']), [
    'Content-Length: 3',
    ...ADDED,
  ]);
});

test('case 29: what a stranger says of whom it asks for is not believed', (t) => {
  const said = ['X-Forwarded-For', '127.0.0.1', 'x_forwarded_for', '127.0.0.1', 'X-Forwarded-Proto', 'https'];
  const more = ['Forwarded', 'for=127.0.0.1', 'X-Real-IP', '127.0.0.1', 'X-Forwarded-Port', '443'];
  t.deepEqual(passed([...said, ...more]), ADDED);
});

test('a trusted proxy is believed, and its own address added', (t) => {
  const said = ['X-Forwarded-For', '192.0.2.7', 'X-Forwarded-Proto', 'https', 'X-Forwarded-Host', 'a.example'];
  t.deepEqual(passed([...said, 'Forwarded', 'for=192.0.2.7'], PROXY), [
    'Forwarded: for=192.0.2.7',
    'Host: example.org',
    'X-Forwarded-Host: a.example',
    'X-Forwarded-For: 192.0.2.7, 10.0.0.1',
    'X-Forwarded-Proto: https',
  ]);
});

test('a body is known by its length or its chunks', (t) => {
  const body = (fields: readonly string[]): unknown => {
    const { hasBody, bodyBytes } = read(['Host', 'a', ...fields]) as RequestHead;
    return [hasBody, bodyBytes];
  };
  t.deepEqual(body([]), [false, 0]);
  t.deepEqual(body(['Content-Length', '0']), [false, 0]);
  t.deepEqual(body(['Content-Length', '12']), [true, 12]);
  t.deepEqual(body(['Transfer-Encoding', 'Chunked']), [true, undefined]);
});

test('an upgrade is one that Connection names', (t) => {
  const upgrade = (fields: readonly string[]) => (read(['Host', 'a', ...fields]) as RequestHead).upgrade;
  t.is(upgrade(['Upgrade', 'websocket', 'Connection', 'keep-alive, Upgrade']), 'websocket');
  t.is(upgrade(['Upgrade', 'websocket']), undefined);
});

test('a target with a host is that of the Host header, or refused', (t) => {
  const path = (url: string): unknown => {
    const head = read(['Host', 'Example.org:80'], { url });
    return 'path' in head ? head.path : head.status;
  };
  t.is(path('/a?b'), '/a?b');
  t.is(path('http://example.org:80/a?b'), '/a?b');
  t.is(path('http://example.org:80?b'), '/?b');
  t.is(path('http://other.org:80/a'), 400);
  t.is(path('*'), 400);
  t.is(path('example.org:80'), 400);
});

test('an Expect is for this hop, and one that is not understood refused', (t) => {
  t.deepEqual(passed(['Expect', '100-Continue']), ADDED);
  t.like(read(['Host', 'a', 'Expect', 'wonders']), { status: 417 });
});

test('how the body comes is said, and the host, also where the client has said neither', (t) => {
  const sent = (
    fields: readonly string[],
    { method = 'POST', bodyBytes = undefined as number | undefined, minor = 1 },
  ) => {
    const head = read(fields, { method, minor }) as RequestHead;
    return sentHeaders(head, { method, host: 'server:80', bodyBytes, upgrade: undefined }).slice(head.headers.length);
  };
  const host = ['Host', 'a'];
  t.deepEqual(sent([...host, 'Content-Length', '3'], { bodyBytes: 3 }), []);
  t.deepEqual(sent([...host, 'Content-Length', '3'], {}), []);
  t.deepEqual(sent([...host, 'Transfer-Encoding', 'chunked'], {}), ['Transfer-Encoding', 'chunked']);
  t.deepEqual(sent([...host, 'Transfer-Encoding', 'chunked'], { bodyBytes: 3 }), ['Content-Length', '3']);
  t.deepEqual(sent(host, { bodyBytes: 0 }), ['Content-Length', '0']);
  t.deepEqual(sent(host, { method: 'GET', bodyBytes: 0 }), []);
  t.deepEqual(sent([], { method: 'GET', bodyBytes: 0, minor: 0 }), ['Host', 'server:80']);
  const head = read(host) as RequestHead;
  const upgraded = sentHeaders(head, { method: 'GET', host: 'b', bodyBytes: 0, upgrade: 'websocket' });
  t.deepEqual(upgraded.slice(head.headers.length), ['Connection', 'Upgrade', 'Upgrade', 'websocket']);
});

for (const [what, status, fields, minor] of [
  ['no host', 400, [], 1],
  ['two hosts', 400, ['Host', 'a', 'host', 'a'], 1],
  ['two lengths', 400, ['Host', 'a', 'Content-Length', '3', 'Content-Length', '3'], 1],
  ['a length that is none', 400, ['Host', 'a', 'Content-Length', '+3'], 1],
  ['length and chunks', 400, ['Host', 'a', 'Content-Length', '3', 'Transfer-Encoding', 'chunked'], 1],
  ['a coding that is not chunked', 501, ['Host', 'a', 'Transfer-Encoding', 'gzip, chunked'], 1],
  ['chunks twice', 501, ['Host', 'a', 'Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'chunked'], 1],
  ['chunks in HTTP/1.0', 400, ['Transfer-Encoding', 'chunked'], 0],
] as const) {
  test(`case 30: ${what} may be read in two ways: ${status}`, (t) => {
    const head = read(fields, { minor });
    t.is('status' in head ? head.status : undefined, status);
  });
}
