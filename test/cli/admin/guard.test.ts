import test from 'ava';
import { Guard } from '../../../src/cli/admin/guard.ts';

const TOKEN = 'a-token-that-nobody-guesses';

function judge(
  headers: Readonly<Record<string, string>>,
  {
    path = '/status',
    method = 'GET',
    tokens = [] as string[],
    hosts = [] as string[],
    localAddress = '127.0.0.1',
  } = {},
): number | undefined {
  return new Guard({ hosts, tokens }).refusalOf({ method, path, headers, localAddress })?.status;
}

test('a request must call the address by a name of its own', (t) => {
  for (const host of ['127.0.0.1:9090', 'localhost:9090', 'LOCALHOST', '[::1]:9090', '127.0.0.1']) {
    t.is(judge({ host }), undefined, host);
  }
  for (const host of [
    'evil.example',
    'evil.example:9090',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '10.0.0.1',
    '',
  ]) {
    t.is(judge({ host }), 403, host);
  }
  t.is(judge({}), 403);
  t.is(judge({ host: 'ops.example:80' }, { hosts: ['Ops.example'] }), undefined);
});

test('the address that a request came in by is a name of its own', (t) => {
  t.is(judge({ host: '192.0.2.7:9090' }, { localAddress: '192.0.2.7' }), undefined);
  t.is(judge({ host: '192.0.2.7:9090' }, { localAddress: '::ffff:192.0.2.7' }), undefined);
  t.is(judge({ host: '192.0.2.8:9090' }, { localAddress: '192.0.2.7' }), 403);
});

test('pages of other origins are turned away, those of other ports of this machine too', (t) => {
  const host = '127.0.0.1:9090';
  t.is(judge({ host, origin: 'http://127.0.0.1:9090' }), undefined);
  for (const origin of ['http://evil.example', 'http://127.0.0.1:3000', 'http://localhost:9090', 'null', '']) {
    t.is(judge({ host, origin }), 403, origin);
  }
  for (const site of ['cross-site', 'same-site']) t.is(judge({ host, 'sec-fetch-site': site }), 403, site);
  for (const site of ['same-origin', 'none']) t.is(judge({ host, 'sec-fetch-site': site }), undefined, site);
  const link = { host, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' };
  t.is(judge(link, { path: '/' }), undefined);
  t.is(judge(link, { path: '/status' }), 403);
  t.is(judge({ ...link, 'sec-fetch-mode': 'no-cors' }, { path: '/' }), 403);
});

test('each path has its method', (t) => {
  const host = 'localhost';
  t.is(judge({ host }, { method: 'HEAD' }), undefined);
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE']) t.is(judge({ host }, { method }), 405, method);
  t.is(judge({ host }, { path: '/reload' }), 405);
  t.is(judge({ host }, { path: '/reload', method: 'POST' }), undefined);
});

test('where there is a token it is asked for, but for the page without numbers and the sign of life', (t) => {
  const host = 'localhost';
  const tokens = ['an-older-token-of-this-place', TOKEN];
  for (const path of ['/status', '/metrics', '/events', '/readyz', '/elsewhere']) {
    t.is(judge({ host }, { path, tokens }), 401, path);
  }
  for (const path of ['/', '/healthz']) t.is(judge({ host }, { path, tokens }), undefined, path);
  t.is(judge({ host, authorization: `Bearer ${TOKEN}` }, { tokens }), undefined);
  for (const authorization of [TOKEN, 'Bearer', `Bearer ${TOKEN} `, `Bearer ${TOKEN.slice(1)}`, `Basic ${TOKEN}`]) {
    t.is(judge({ host, authorization }, { tokens }), 401, authorization);
  }
  t.is(judge({ host }, { path: '/reload', method: 'POST', tokens }), 401);
});
