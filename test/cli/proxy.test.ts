import { readFileSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { testCertificates } from '../helpers/certificates.ts';
import { type Child, startChild } from '../helpers/child.ts';
import { startCli, textFile } from '../helpers/cli.ts';
import { askSoon, clientArgs, ports, serverArgs } from '../helpers/cli-pair.ts';
import { CREDENTIALS, PASSWORD, SECRETS, startHttpProxy, startSocksProxy, USER_INFO } from '../helpers/proxies.ts';
import { echo, startTarget } from '../helpers/targets.ts';

const TOKEN = 'a token that is long enough';

function neverPrints(t: ExecutionContext, child: Child): void {
  for (const secret of SECRETS) t.false(child.output.includes(secret), child.output);
}

for (const kind of ['http', 'https', 'socks5'] as const) {
  test(`--proxy ${kind}: visitors are served, and the password is never printed`, async (t) => {
    const { authority, localhost } = await testCertificates();
    const file = await textFile(t, TOKEN);
    await using target = await startTarget(echo);
    const at = await ports();
    await using server = startCli(serverArgs(at, file));
    await server.printed(/listening/);
    const tls = kind === 'https' ? { tls: localhost } : {};
    const start = kind === 'socks5' ? startSocksProxy : startHttpProxy;
    await using proxy = await start({ credentials: CREDENTIALS, ...tls });
    await using client = startCli(clientArgs(at, target.port, file, '--log-level', 'trace'), {
      POOLD_PROXY: `${kind}://${USER_INFO}localhost:${proxy.port}`,
      NODE_EXTRA_CA_CERTS: await textFile(t, authority.cert),
    });
    await client.printed(/"warm"/);
    t.is(await askSoon(at.visitors, 'hello'), 'hello');
    t.true(proxy.asked.length >= 4);
    t.notRegex(client.output, /command line/);
    neverPrints(t, client);
  });
}

test('a password in --proxy is wiped from the process list, warned about, and not in what is said of the proxy', async (t) => {
  const file = await textFile(t, TOKEN);
  const at = await ports();
  await using proxy = await startHttpProxy({ credentials: `some one:not ${PASSWORD}` });
  const url = `http://${USER_INFO}127.0.0.1:${proxy.port}`;
  await using client = startCli(clientArgs(at, 1, file, '--proxy', url));
  await client.printed(/password stands on the command line.*POOLD_PROXY/);
  await client.printed(new RegExp(`the proxy 127.0.0.1:${proxy.port} answers 407`));
  const seen = readFileSync(`/proc/${client.process.pid}/cmdline`, 'utf8');
  t.false(seen.includes(encodeURIComponent(PASSWORD)), seen);
  await using list = startChild('ps', ['-o', 'args=', '-p', `${client.process.pid}`]);
  t.is(await list.ended(), 0);
  t.regex(list.output, /^poold client/);
  neverPrints(t, client);
});

test('--proxy without a password is no secret', async (t) => {
  const file = await textFile(t, TOKEN);
  const at = await ports();
  await using proxy = await startHttpProxy({ refuse: 403 });
  const url = `http://127.0.0.1:${proxy.port}`;
  await using client = startCli(clientArgs(at, 1, file, '--proxy', url));
  await client.printed(/answers 403/);
  t.notRegex(client.output, /command line/);
  t.true(readFileSync(`/proc/${client.process.pid}/cmdline`, 'utf8').includes(url));
});
