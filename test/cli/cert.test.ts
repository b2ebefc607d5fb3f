import { execFile, execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { runCert } from '../../src/cli/cert.ts';
import { pathsOf, writeCertificate } from '../../src/cli/cert-files.ts';
import type { CertSettings } from '../../src/cli/cert-flags.ts';
import { ConfigError } from '../../src/shared/errors.ts';
import { startChild } from '../helpers/child.ts';
import { type Ended, runCli, startCli, textFile } from '../helpers/cli.ts';
import { ports } from '../helpers/cli-pair.ts';
import { testCertificates } from '../helpers/certificates.ts';
import { startTarget } from '../helpers/targets.ts';

const run = promisify(execFile);

async function newFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'poold-cert-'));
  t.teardown(() => rm(folder, { recursive: true }));
  return join(folder, 'certs');
}

const cert = (out: string, ...more: string[]): Promise<Ended> => runCli(['cert', '--out', out, ...more]);

async function certificate(folder: string, name: string): Promise<X509Certificate> {
  return new X509Certificate(await readFile(join(folder, `${name}.pem`)));
}

/** Everything in the folder, byte for byte. */
async function contents(folder: string): Promise<Record<string, string>> {
  const names = await readdir(folder);
  return Object.fromEntries(await Promise.all(names.map(async (n) => [n, await readFile(join(folder, n), 'utf8')])));
}

test.serial('one command makes an authority, a server and a client; keys are for their owner alone', async (t) => {
  const out = await newFolder(t);
  const { code, stdout, stderr } = await cert(out, '--host', 'tunnel.example.com,[2001:DB8::5]', '--host', '10.0.0.1');
  t.is(code, 0, stderr);
  t.is(stderr, '');
  const files = ['ca', 'client', 'server'].flatMap((name) => [`${name}-key.pem`, `${name}.pem`]);
  t.deepEqual((await readdir(out)).toSorted(), files);
  t.is((await stat(out)).mode & 0o777, 0o700);
  for (const file of files.filter((name) => name.endsWith('-key.pem'))) {
    t.is((await stat(join(out, file))).mode & 0o777, 0o600, file);
    const key = await readFile(join(out, file), 'utf8');
    t.true(key.startsWith('-----BEGIN PRIVATE KEY-----'));
    t.false(stdout.includes(key.split('\n')[1] ?? ''));
  }
  const server = await certificate(out, 'server');
  t.is(server.checkHost('tunnel.example.com'), 'tunnel.example.com');
  for (const ip of ['10.0.0.1', '2001:db8::5']) t.is(server.checkIP(ip), ip);
  t.true(stdout.includes(`sha256:${server.fingerprint256}`));
  t.true(Math.abs(Date.parse(server.validTo) - Date.now() - 825 * 86_400_000) < 86_400_000);
  t.is((await certificate(out, 'client')).subject, 'CN=client');
});

test.serial('OpenSSL verifies what is made, strictly, and for its purpose alone', async (t) => {
  try {
    execFileSync('openssl', ['version']);
  } catch {
    t.log('SKIPPED: there is no openssl on this machine, so nobody else has judged the certificates');
    t.pass();
    return;
  }
  const out = await newFolder(t);
  t.is((await cert(out, '--host', 'tunnel.example.com', '--host', '10.0.0.1', '--client', 'laptop')).code, 0);
  const verify = (name: string, ...more: string[]) =>
    run('openssl', ['verify', '-x509_strict', ...more, '-CAfile', join(out, 'ca.pem'), join(out, `${name}.pem`)]);
  await t.notThrowsAsync(verify('server', '-purpose', 'sslserver', '-verify_hostname', 'tunnel.example.com'));
  await t.notThrowsAsync(verify('server', '-purpose', 'sslserver', '-verify_ip', '10.0.0.1'));
  await t.notThrowsAsync(verify('laptop', '-purpose', 'sslclient'));
  await t.throwsAsync(verify('server', '-purpose', 'sslclient'), { message: /purpose/ });
  await t.throwsAsync(verify('laptop', '-purpose', 'sslserver'), { message: /purpose/ });
  await t.throwsAsync(verify('server', '-verify_hostname', 'other.example.com'), { message: /[Hh]ostname mismatch/ });
  const { stdout: text } = await run('openssl', ['x509', '-in', join(out, 'ca.pem'), '-noout', '-text']);
  t.regex(text, /CA:TRUE, pathlen:0/);
  t.regex(text, /Certificate Sign, CRL Sign/);
  t.regex(text, /ecdsa-with-SHA256/);
});

test.serial(
  'an authority that is there signs again, and nothing that is there is replaced without --force',
  async (t) => {
    const out = await newFolder(t);
    t.is((await cert(out, '--host', 'a.example')).code, 0);
    const before = await contents(out);
    for (const again of [
      ['--host', 'b.example'],
      ['--client', 'phone', '--client', 'client'],
    ]) {
      const { code, stderr } = await cert(out, ...again);
      t.is(code, 2);
      t.regex(stderr, /is there already; --force replaces it/);
      t.deepEqual(await contents(out), before, 'not even the client that was new');
    }
    const laptop = await cert(out, '--client', 'laptop');
    t.is(laptop.code, 0, laptop.stderr);
    t.true((await certificate(out, 'laptop')).verify((await certificate(out, 'ca')).publicKey));
    t.regex(laptop.stdout, /poold client --server a\.example:7000 .*laptop-key\.pem/);
    t.notRegex(laptop.stdout, /poold server/);
    const renewed = await cert(out, '--host', 'b.example', '--days', '30', '--force');
    t.is(renewed.code, 0, renewed.stderr);
    const after = await contents(out);
    t.not(after['server.pem'], before['server.pem']);
    for (const kept of ['ca.pem', 'ca-key.pem', 'client.pem', 'client-key.pem']) t.is(after[kept], before[kept], kept);
    t.is((await certificate(out, 'server')).checkHost('b.example'), 'b.example');
    t.deepEqual(
      Object.keys(after).filter((name) => !name.endsWith('.pem')),
      [],
      'no draft is left',
    );
  },
);

test('a file that comes between the check and the write is not replaced', async (t) => {
  const paths = pathsOf(join(await newFolder(t), '..'), 'server');
  await writeCertificate(paths, { cert: 'first', key: 'first' }, false);
  const second = writeCertificate(paths, { cert: 'second', key: 'second' }, false);
  await t.throwsAsync(second, { instanceOf: ConfigError, message: /is there already/ });
  t.is(await readFile(paths.key, 'utf8'), 'first');
  await writeCertificate(paths, { cert: 'third', key: 'third' }, true);
  t.is(await readFile(paths.cert, 'utf8'), 'third');
});

test.serial('a link is replaced, never followed', async (t) => {
  const out = await newFolder(t);
  t.is((await cert(out, '--host', 'a.example')).code, 0);
  const elsewhere = await textFile(t, 'precious');
  await symlink(elsewhere, join(out, 'laptop-key.pem'));
  t.is((await cert(out, '--client', 'laptop')).code, 2);
  t.is((await cert(out, '--client', 'laptop', '--force')).code, 0);
  t.is(await readFile(elsewhere, 'utf8'), 'precious');
});

/** What is in the folder beforehand, what is asked for, and what is said. */
const refused: Record<
  string,
  { files?: () => Promise<Record<string, string>>; ask: Omit<CertSettings, 'out'>; says: RegExp }
> = {
  'a new authority without a server': { ask: { client: ['a'] }, says: /--host: is missing/ },
  'a URL for a host': { ask: { host: ['https://a.example'] }, says: /--host: .*without port or scheme/ },
  'a host with a port': { ask: { host: ['a.example:7000'] }, says: /--host: .*without port/ },
  'a mistyped address': { ask: { host: ['10.0.0.256'] }, says: /--host: "10\.0\.0\.256" is neither/ },
  'all addresses': { ask: { host: ['0.0.0.0'] }, says: /--host: .*stands for all addresses/ },
  'an address in an old form': { ask: { host: ['::1.2.3.4'] }, says: /--host: .*write 1\.2\.3\.4 alone/ },
  'a client that is a path': { ask: { host: ['a'], client: ['../a'] }, says: /--client: "\.\.\/a" is no name/ },
  'a client with an equals sign in its name': { ask: { host: ['a'], client: ['b=c'] }, says: /is no name/ },
  'a client named like the authority': { ask: { host: ['a'], client: ['CA'] }, says: /name of another file/ },
  'a client named like a key': { ask: { host: ['a'], client: ['server-key'] }, says: /name of another file/ },
  'a client twice': { ask: { host: ['a'], client: ['b', 'B'] }, says: /given twice/ },
  'an authority without its key': {
    files: async () => ({ 'ca.pem': (await testCertificates()).authority.cert }),
    ask: { host: ['a'] },
    says: /ca-key\.pem: is missing beside/,
  },
  'an authority that is none': {
    files: async () => {
      const { localhost } = await testCertificates();
      return { 'ca.pem': localhost.cert, 'ca-key.pem': localhost.key };
    },
    ask: { client: ['b'] },
    says: /ca\.pem: is not the certificate of an authority/,
  },
  "an authority with another's key": {
    files: async () => {
      const { authority, stranger } = await testCertificates();
      return { 'ca.pem': authority.cert, 'ca-key.pem': stranger.key };
    },
    ask: { client: ['b'] },
    says: /ca-key\.pem: does not belong to the certificate/,
  },
};

for (const [what, { files, ask, says }] of Object.entries(refused)) {
  test(`refused before a file is written: ${what}`, async (t) => {
    const folder = join(await newFolder(t), '..');
    const before = files === undefined ? {} : await files();
    await Promise.all(Object.entries(before).map(([name, text]) => writeFile(join(folder, name), text)));
    await t.throwsAsync(runCert({ out: folder, ...ask }), { instanceOf: ConfigError, message: says });
    t.deepEqual(await contents(folder), before);
  });
}

test.serial('an authority of another make signs too, and a folder that cannot be written is said', async (t) => {
  const out = join(await newFolder(t), '..');
  const { authority } = await testCertificates();
  await writeFile(join(out, 'ca.pem'), authority.cert);
  await writeFile(join(out, 'ca-key.pem'), authority.key);
  t.is((await cert(out, '--client', 'b')).code, 0);
  t.true((await certificate(out, 'b')).checkIssued(await certificate(out, 'ca')));
  const { code, stderr } = await cert(join(out, 'ca.pem'), '--host', 'a');
  t.is(code, 2);
  t.regex(stderr, /cannot be used \(ENOTDIR/);
});

test.serial(
  'the commands that it prints make a tunnel that curl passes through, with the pin that it prints',
  async (t) => {
    const out = await newFolder(t);
    const other = join(out, '..', 'other');
    const made = await cert(out, '--host', '127.0.0.1', '--client', 'laptop');
    t.is((await cert(other, '--host', '127.0.0.1')).code, 0);
    const token = await textFile(t, 'a token that is long enough');
    await using target = await startTarget((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello'));
    });
    const at = await ports();
    const printed = (command: string): string[] =>
      (new RegExp(`^  poold (${command} .*)$`, 'm').exec(made.stdout)?.[1] ?? '')
        .replaceAll('0.0.0.0:', '127.0.0.1:')
        .replace(':7000', `:${at.listen}`)
        .replace(':8080', `:${at.visitors}`)
        .replace('--target 3000', `--target ${target.port}`)
        .replace('token.txt', token)
        .split(' ');
    const [pin = ''] = /sha256:\S+/.exec(made.stdout) ?? [];
    await using server = startCli(printed('server'));
    await server.printed(new RegExp(`"fingerprint":"${pin}"`));
    await using client = startCli([...printed('client'), '--fingerprint', pin]);
    await client.printed(/"warm"/);
    await using curl = startChild('curl', ['--silent', '--show-error', `http://127.0.0.1:${at.visitors}/`]);
    t.is(await curl.ended(), 0, curl.output);
    t.is(curl.output, 'hello');

    const without = printed('client');
    const anonymous = await runCli(without.slice(0, without.indexOf('--cert')));
    t.is(anonymous.code, 3, anonymous.stderr);
    t.regex(anonymous.stderr, /the server wants a client certificate; give one with --cert and --key/);
    await server.printed(/the client shows no certificate/);
    const swapped = ['--cert', join(other, 'client.pem'), '--key', join(other, 'client-key.pem')];
    const stranger = await runCli([...without.slice(0, without.indexOf('--cert')), ...swapped]);
    t.is(stranger.code, 3, stranger.stderr);
    t.regex(stranger.stderr, /the server refuses this client: the client's certificate is not accepted/);
    const wrongUse = ['--cert', join(out, 'server.pem'), '--key', join(out, 'server-key.pem')];
    const mistaken = await runCli([...without.slice(0, without.indexOf('--cert')), ...wrongUse]);
    t.is(mistaken.code, 2, mistaken.stderr);
    t.regex(mistaken.stderr, /--cert and --key: .*server\.pem: is not for a client/);
    server.kill('SIGTERM');
    t.is(await server.ended(), 0, server.output);
  },
);
