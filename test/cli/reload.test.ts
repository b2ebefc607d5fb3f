/** SIGHUP: tokens, lists and certificates are read again, and who is in notices nothing. */
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import test from 'ava';
import { reloader } from '../../src/cli/reload.ts';
import { startCli, textFile } from '../helpers/cli.ts';
import { askSoon, clientArgs, ports, serverArgs } from '../helpers/cli-pair.ts';
import { testCertificates } from '../helpers/certificates.ts';
import type { Child } from '../helpers/child.ts';
import { until } from '../helpers/events.ts';
import { logLines } from '../helpers/log-lines.ts';
import { ask } from '../helpers/pair.ts';
import { echo, startTarget } from '../helpers/targets.ts';

const OLD = 'the old token, long enough';
const NEW = 'the new token, long enough';

/** How often a line stands in what was printed. */
const count = (child: Child, pattern: RegExp): number => [...child.output.matchAll(new RegExp(pattern, 'g'))].length;

/** Asks for a reload, and waits until it has been said how that went. */
async function reload(child: Child, said = /reloaded|nothing has changed/): Promise<void> {
  const before = count(child, said);
  child.kill('SIGHUP');
  await child.printed(new RegExp(`(?:${said.source})(?:[^]*?(?:${said.source})){${before}}`));
}

test.serial('a token is replaced without an outage: both hold, then the new one alone', async (t) => {
  const [file, oldFile, newFile] = [await textFile(t, OLD), await textFile(t, OLD), await textFile(t, NEW)];
  await using target = await startTarget(echo);
  const at = await ports();
  await using server = startCli(serverArgs(at, file));
  await server.printed(/"listening"/);
  await using first = startCli(clientArgs(at, target.port, oldFile));
  t.is(await askSoon(at.visitors, 'old'), 'old');
  await writeFile(file, `${NEW}\n${OLD}\n`);
  await reload(server);
  await using second = startCli(clientArgs(at, target.port, newFile));
  await second.printed(/"warm"/);
  await writeFile(file, NEW);
  await reload(server);
  await using late = startCli(clientArgs(at, target.port, oldFile));
  t.is(await late.ended(), 3, late.output);
  t.is(await askSoon(at.visitors, 'both are still in'), 'both are still in');
  await writeFile(oldFile, NEW);
  await reload(first);
  t.notRegex(first.output + second.output, /"level":[456]0/);
});

test.serial('lists of visitors and clients are read from files again (2 workers)', async (t) => {
  const [token, deny] = [await textFile(t, OLD), await textFile(t, '# nobody\n')];
  await using target = await startTarget(echo);
  const at = await ports();
  await using server = startCli(serverArgs(at, token, '--workers', '2', '--visitor-deny', `@${deny}`));
  await server.printed(/"listening"/);
  await using client = startCli(clientArgs(at, target.port, token));
  t.is(await askSoon(at.visitors, 'let in'), 'let in', client.output);
  await writeFile(deny, '10.0.0.0/8\n127.0.0.1 # this machine\n');
  server.kill('SIGHUP');
  await server.printed(/reloaded/);
  const denied = connect(at.visitors, '127.0.0.1');
  const [error] = (await once(denied, 'error')) as [NodeJS.ErrnoException];
  t.is(error.code, 'ECONNRESET');
  await writeFile(deny, 'not an address\n');
  server.kill('SIGHUP');
  await server.printed(/nothing has changed: --visitor-deny: .{0,2}not an address/);
  const still = connect(at.visitors, '127.0.0.1');
  await once(still, 'error');
  await writeFile(deny, '');
  server.kill('SIGHUP');
  await server.printed(/reloaded[^]*reloaded/);
  t.is(await askSoon(at.visitors, 'let in again'), 'let in again');
});

test.serial('a list of who may come in that has become empty lets nobody else in', async (t) => {
  const [token, allow] = [await textFile(t, OLD), await textFile(t, '192.0.2.1\n')];
  const at = await ports();
  await using server = startCli(serverArgs(at, token, '--visitor-allow', `@${allow}`));
  await server.printed(/"listening"/);
  await writeFile(allow, '# all gone\n');
  await reload(server);
  t.regex(server.output, /nothing has changed: --visitor-allow: @\S+ names nobody/);
  const visitor = connect(at.visitors, '127.0.0.1');
  await once(visitor, 'error');
});

test.serial('case 20: a bad certificate changes nothing and is said; a good one is shown from then on', async (t) => {
  const { authority, localhost, elsewhere } = await testCertificates();
  const [token, ca] = [await textFile(t, OLD), await textFile(t, authority.cert)];
  const [cert, key] = [await textFile(t, localhost.cert), await textFile(t, localhost.key)];
  await using target = await startTarget(echo);
  const at = await ports();
  await using server = startCli(serverArgs(at, token, '--tls', '2', '--cert', cert, '--key', key));
  await server.printed(/"listening"/);
  const tls = ['--tls', '2', '--ca', ca, '--hostname', 'localhost'];
  await using client = startCli(clientArgs(at, target.port, token, ...tls));
  t.is(await askSoon(at.visitors, 'before'), 'before');
  const shown = async (): Promise<string> => {
    const socket = connectTls({ port: at.listen, host: '127.0.0.1', rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    const { fingerprint256 } = socket.getPeerCertificate();
    socket.destroy();
    return fingerprint256;
  };
  const before = await shown();
  await writeFile(cert, 'no certificate at all');
  await reload(server);
  t.regex(server.output, /nothing has changed: --cert and --key: .*no certificate in PEM form/);
  t.is(await shown(), before);
  const visitor = connect({ port: at.visitors, host: '127.0.0.1', allowHalfOpen: true });
  t.is(await ask(visitor, 'after'), 'after');
  await writeFile(cert, elsewhere.cert);
  await writeFile(key, elsewhere.key);
  await reload(server, /reloaded/);
  t.not(await shown(), before);
  t.is(client.process.exitCode, null);
});

test.serial('of several files one that is wrong holds back the others, too', async (t) => {
  const [token, newToken] = [await textFile(t, OLD), await textFile(t, NEW)];
  const allow = await textFile(t, '127.0.0.1\n');
  const at = await ports();
  await using server = startCli(serverArgs(at, token, '--allow', `@${allow}`));
  await server.printed(/"listening"/);
  await writeFile(token, NEW);
  await writeFile(allow, 'not an address\n');
  await reload(server);
  t.regex(server.output, /nothing has changed: --allow: .{0,2}not an address/);
  await using client = startCli(clientArgs(at, 1, newToken));
  t.is(await client.ended(), 3, client.output);
});

test.serial('POST /reload at the admin address does the same, and says how it went', async (t) => {
  const [token, deny] = [await textFile(t, OLD), await textFile(t, '')];
  const [at, { listen: admin }] = [await ports(), await ports()];
  const flags = ['--visitor-deny', `@${deny}`, '--admin', `127.0.0.1:${admin}`];
  await using server = startCli(serverArgs(at, token, ...flags));
  await server.printed(/"listening"/);
  const post = async (): Promise<[status: number, answer: unknown]> => {
    const response = await fetch(`http://127.0.0.1:${admin}/reload`, { method: 'POST' });
    return [response.status, await response.json()];
  };
  t.deepEqual(await post(), [200, { reloaded: true }]);
  await writeFile(deny, 'not an address\n');
  const [status, answer] = await post();
  t.is(status, 422);
  t.regex((answer as { error: string }).error, /^--visitor-deny: "not an address"/);
});

test.serial('POST /reload of several processes is answered when all have read their files', async (t) => {
  const token = await textFile(t, OLD);
  const [at, { listen: admin }] = [await ports(), await ports()];
  await using server = startCli(serverArgs(at, token, '--workers', '2', '--admin', `127.0.0.1:${admin}`));
  await server.printed(/"listening"/);
  const response = await fetch(`http://127.0.0.1:${admin}/reload`, { method: 'POST' });
  t.deepEqual([response.status, await response.json()], [200, { reloaded: true }]);
});

test('whoever asks while a reload waits for another one shares it, and none begins before the start is over', async (t) => {
  const { log, lines } = logLines();
  const ends: (() => void)[] = [];
  let start: () => void = () => {};
  const started = new Promise<void>((resolve) => (start = resolve));
  const nothing = { added: [], changed: [], removed: [] };
  const reload = reloader(
    async () => {
      await new Promise<void>((resolve) => ends.push(resolve));
      return { ...nothing, failed: ends.length === 2 ? ['tunnel web: its port is taken'] : [] };
    },
    log,
    { started },
  );
  const first = reload();
  await new Promise(setImmediate);
  t.is(ends.length, 0);
  start();
  await until(() => ends.length === 1, 'the first has begun');
  const [second, third] = [reload(), reload()];
  ends[0]?.();
  t.is(await first, undefined);
  await until(() => ends.length === 2, 'the second has begun');
  ends[1]?.();
  const trouble = { problem: 'tunnel web: its port is taken', partly: true };
  t.deepEqual([await second, await third], [trouble, trouble]);
  t.is(ends.length, 2);
  t.deepEqual(lines, [
    'info reloaded: files are read again',
    'error reload: not all of it could be done: tunnel web: its port is taken; mend that, and reload again',
  ]);
});
