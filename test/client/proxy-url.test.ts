import { inspect } from 'node:util';
import test from 'ava';
import { ClientPool } from '../../src/client/client-pool.ts';
import { proxyOption } from '../../src/client/proxy-url.ts';
import { TOKEN } from '../helpers/pair.ts';
import { PASSWORD, USER_INFO } from '../helpers/proxies.ts';

test('proxies that make no sense are refused by name, without their password', (t) => {
  const refusal = (options: object): string => {
    const error = t.throws(() => new ClientPool({ dial: '192.0.2.1:7000', token: TOKEN, ...options }), {
      code: 'POOLD_ERR_INVALID_OPTION',
    });
    t.false(inspect(error, { depth: Infinity, showHidden: true }).includes('secret'), inspect(error));
    return error?.message ?? '';
  };
  const schemes = /^proxy: wants http:\/\/host:port, https/;
  for (const proxy of ['', 'proxy:3128', '127.0.0.1:3128', 'ftp://u:secret@proxy', 'http:/u:secret@proxy', 'http://']) {
    t.regex(refusal({ proxy }), schemes, proxy);
  }
  t.regex(refusal({ proxy: 'http://u:secret@proxy:99999' }), schemes);
  t.regex(refusal({ proxy: 'http://u:sec/ret@proxy' }), schemes);
  t.regex(refusal({ proxy: 'http://u:1234/secret@proxy' }), /nothing behind host and port.*%2F/);
  t.regex(refusal({ proxy: 'socks5://u:1234#secret@proxy' }), /nothing behind host and port/);
  t.regex(refusal({ proxy: 'socks5://u:1234?secret@proxy' }), /nothing behind host and port/);
  t.regex(refusal({ proxy: 'http://u:secret%zz@proxy' }), /% in its user or password/);
  t.regex(refusal({ proxy: 'http://u%3A:secret@proxy' }), /no colon/);
  t.regex(refusal({ proxy: 'socks5://:secret@proxy' }), /1 to 255 bytes/);
  t.regex(refusal({ proxy: `socks5://u:secret${'x'.repeat(250)}@proxy` }), /1 to 255 bytes/);
  t.regex(refusal({ proxy: 'http://u:secret@proxy:0' }), /^proxy: "proxy:0" has port 0/);
  t.regex(refusal({ proxy: 'socks5://u:secret@pro xy' }), schemes);
  t.regex(refusal({ proxy: 'socks5://u:secret@-x-' }), /^proxy: "-x-:1080" has neither a host name/);
  t.regex(refusal({ proxy: 7 }), /^proxy: wants a URL/);
  const proxy = 'http://u:secret@proxy';
  t.regex(refusal({ proxy, dial: 'unix:/run/poold' }), /^proxy: cannot reach a unix socket/);
  t.regex(refusal({ proxy, dial: () => Promise.reject(new Error('never')) }), /^proxy: has no place where dial/);
  t.regex(refusal({ proxy, token: undefined }), /^token: is missing/);
  t.regex(refusal({ proxy, token: undefined, dial: '127.0.0.1:7000' }), /^token: is missing.*the proxy's own machine/);
  t.regex(refusal({ proxy, token: 'short', dial: '127.0.0.1:7000' }), /^token: wants at least 16/);
});

test('a URL gives scheme, address and credentials, with the default ports of the schemes', (t) => {
  const read = (url: string): object => proxyOption('proxy', url);
  const at = (host: string, port: number, more: object = {}): object => ({
    address: { host, port },
    credentials: undefined,
    ...more,
  });
  t.deepEqual(read('http://proxy.example'), at('proxy.example', 80, { scheme: 'http:' }));
  t.deepEqual(read('HTTPS://proxy.example/'), at('proxy.example', 443, { scheme: 'https:' }));
  t.deepEqual(read('socks5://10.0.0.1'), at('10.0.0.1', 1080, { scheme: 'socks5:' }));
  t.deepEqual(read('socks5h://[::1]:9050'), at('::1', 9050, { scheme: 'socks5h:' }));
  t.deepEqual(
    read(`socks5://${USER_INFO}proxy:1`),
    at('proxy', 1, { scheme: 'socks5:', credentials: { user: 'some one', password: PASSWORD } }),
  );
  t.deepEqual(read('http://u@proxy'), at('proxy', 80, { scheme: 'http:', credentials: { user: 'u', password: '' } }));
});
