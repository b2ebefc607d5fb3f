import test from 'ava';
import { TunnelClient, type TunnelClientOptions } from '../../../src/client/tunnel-client.ts';
import { ServerPool } from '../../../src/server/server-pool.ts';
import { TunnelServer } from '../../../src/server/tunnel-server.ts';
import type { InvalidOptionError } from '../../../src/shared/errors.ts';

const TOKEN = 'a token that is long enough';
const client = (options: object) => new TunnelClient({ pool: { dial: '127.0.0.1:1', token: TOKEN }, ...options });

const mistakes: readonly (readonly [title: string, options: object, option: string, says: RegExp])[] = [
  ['no target', { target: [] }, 'target', /at least one/],
  ['a target that is none', { target: 5 }, 'target', /wants host:port/],
  ['one of several that is none', { target: ['127.0.0.1:1', 5] }, 'target', /wants host:port/],
  [
    'one of several that is no address',
    { target: [3000, '127.0.0.1'].map(String) },
    'target',
    /"127.0.0.1" has no port/,
  ],
  [
    'a target twice',
    { target: ['3000', { host: '127.0.0.1', port: 3000 }] },
    'target',
    /127.0.0.1:3000 is given twice/,
  ],
  ['an unknown option', { targets: { checks: 'tcp' } }, 'targets.checks', /unknown option/],
  ['a strategy that is none', { targets: { strategy: 'random' } }, 'targets.strategy', /round-robin, least-in-use/],
  ['a limit that is none', { bandwidth: { upload: 1.5 } }, 'bandwidth.upload', /0, or at least 1024/],
  ['a limit that is next to none', { bandwidth: { download: 1023 } }, 'bandwidth.download', /0, or at least 1024/],
  ['a PROXY header that is none', { targets: { proxy: 'v3' } }, 'targets.proxy', /off, v1 or v2/],
  ['a check that is none', { targets: { check: 'udp' } }, 'targets.check', /'off', 'tcp' or/],
  [
    'a path that is a URL',
    { targets: { check: { http: 'http://a/b' } } },
    'targets.check.http',
    /a path without spaces/,
  ],
  [
    'a path that would break a request',
    { targets: { check: { http: '/a b\r\n' } } },
    'targets.check.http',
    /a path without spaces/,
  ],
  ['a check without a pause', { targets: { checkIntervalMs: 0 } }, 'targets.checkIntervalMs', /ms from 1/],
  ['a check without time', { targets: { checkTimeoutMs: 0 } }, 'targets.checkTimeoutMs', /ms from 1/],
  ['up after no check', { targets: { rise: 0 } }, 'targets.rise', /at least 1/],
  ['down after no check', { targets: { fall: 0 } }, 'targets.fall', /at least 1/],
  ['too many kept ready', { targets: { warm: 5000 } }, 'targets.warm', /from 0 to 1024/],
  ['kept ready for no time', { targets: { warmIdleMs: 1 } }, 'targets.warmIdleMs', /ms from 2000/],
];

for (const [title, options, option, message] of mistakes) {
  test(`refused, naming the option: ${title}`, (t) => {
    const error = t.throws<InvalidOptionError>(() => client({ target: '3000', ...options }), { message });
    t.is(error?.option, option);
  });
}

test('what is said about targets has no place where visits come in', (t) => {
  const targets = { warm: 1 };
  const expected = { code: 'POOLD_ERR_INVALID_OPTION', message: 'targets.warm: has no effect without a target' };
  t.throws(() => client({ local: '127.0.0.1:0', targets }), expected);
  const pool = new ServerPool({ listen: '127.0.0.1:0', token: TOKEN });
  t.throws(() => new TunnelServer({ pool, public: '127.0.0.1:0', targets }), expected);
});

test('targets are texts, addresses, or both', (t) => {
  const names = (target: TunnelClientOptions['target']) =>
    client({ target })
      .targetStats()
      .map((one) => one.target);
  t.deepEqual(names('3000'), ['127.0.0.1:3000']);
  t.deepEqual(names({ path: '/run/a.sock' }), ['unix:/run/a.sock']);
  t.deepEqual(names(['3000', { host: '::1', port: 1 }, 'unix:/a']), ['127.0.0.1:3000', '[::1]:1', 'unix:/a']);
});
