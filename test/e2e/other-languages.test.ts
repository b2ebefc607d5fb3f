/** Who speaks something else than is due here: the port of another service, another TLS mode, an old TLS. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import test from 'ava';
import { ClientPool } from '../../src/client/client-pool.ts';
import type { DialStage, PooldError } from '../../src/shared/errors.ts';
import { ServerPool } from '../../src/server/server-pool.ts';
import type { DialFailedEvent, HandshakeFailedEvent } from '../../src/shared/pool/pool-events.ts';
import { serverTlsSettings, type TlsMode } from '../../src/shared/tls/modes.ts';
import { selfSignedMaterial } from '../../src/shared/tls/self-signed.ts';
import { testCertificates } from '../helpers/certificates.ts';
import { nextEvent, until } from '../helpers/events.ts';
import { TOKEN, tlsOptions } from '../helpers/pair.ts';

/** Who connects to a server of a mode, and what the server says of it. */
interface Caller {
  readonly mode: TlsMode;
  readonly call: (port: number) => Socket;
  readonly code?: PooldError['code'];
  readonly says: RegExp;
}

const send = (bytes: string | Buffer) => (port: number) => {
  const socket = connect(port, '127.0.0.1');
  socket.write(bytes);
  return socket;
};

const NO_TLS = /no TLS; use the same --tls on both sides, and check the port/;
const OLD = /the other side has no TLS 1\.3.*update it/;
const old = { rejectUnauthorized: false, maxVersion: 'TLSv1.2' } as const;

const callers: Record<string, Caller> = {
  'plain HTTP to TLS': { mode: 1, call: send('GET / HTTP/1.1\r\n\r\n'), says: /plain HTTP: .*--tls/ },
  'plain text to TLS': { mode: 2, call: send('EHLO mail.example\r\n'), says: NO_TLS },
  'garbage to TLS': { mode: 1, call: send(Buffer.alloc(512, 0xa5)), says: NO_TLS },
  'a broken hello to TLS': {
    mode: 1,
    call: send(Buffer.from(`1603010020010000${'ff'.repeat(64)}`, 'hex')),
    says: /the connection broke at the stage "tls"/,
  },
  'TLS 1.2': { mode: 1, call: (port) => connectTls({ port, host: '127.0.0.1', ...old }), says: OLD },
  'TLS 1.2 to mode 2': { mode: 2, call: (port) => connectTls({ port, host: '127.0.0.1', ...old }), says: OLD },
  'TLS to mode 0': {
    mode: 0,
    call: (port) => connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }),
    code: 'POOLD_ERR_PROTOCOL',
    says: /0x16 .*TLS mode/,
  },
  'plain HTTP to mode 0': {
    mode: 0,
    call: send('GET / HTTP/1.1\r\n\r\n'),
    code: 'POOLD_ERR_PROTOCOL',
    says: /0x47 .*is the peer a poold/,
  },
};

for (const [what, { mode, call, code = 'POOLD_ERR_DIAL', says }] of Object.entries(callers)) {
  test(`case 5: ${what} is a typed error at the server, which serves its client as before`, async (t) => {
    const tls = await tlsOptions(mode);
    await using pool = new ServerPool({ listen: '127.0.0.1:0', token: TOKEN, tls: tls.server });
    await pool.start();
    const dial = pool.address ?? '';
    await using client = new ClientPool({ dial, token: TOKEN, minCapacity: 1, maxCapacity: 1, tls: tls.client });
    await client.start();
    await pool.warmed(1);
    const failed = nextEvent<HandshakeFailedEvent>(pool, 'handshakeFailed');
    const caller = call(pool.address?.port ?? 0).on('error', () => {});
    caller.resume();
    const { error, remote } = await failed;
    t.is(error.code, code, error.message);
    t.regex(error.message, says);
    t.true(remote?.startsWith('127.0.0.1:'));
    await until(() => caller.destroyed || caller.readableEnded, 'the caller is hung up on');
    await until(() => pool.arriving === 0, 'nobody is under way');
    t.is(pool.size, 1);
    t.is(client.idle, 1);
    caller.destroy();
  });
}

/** A server of another kind, the mode of the client that meets it, and what the client says of it. */
interface Host {
  readonly modes: readonly TlsMode[];
  readonly host: () => Server | Promise<Server>;
  readonly stage: DialStage;
  readonly code?: PooldError['code'];
  /** For one that says nothing. */
  readonly handshakeTimeoutMs?: number;
  readonly says: RegExp;
}

const greets = (banner: string) => () => createServer((socket) => socket.on('error', () => {}).write(banner));

const hosts: Record<string, Host> = {
  'an SSH server': { modes: [1, 2], host: greets('SSH-2.0-OpenSSH_9.2\r\n'), stage: 'tls', says: NO_TLS },
  'a mail server': { modes: [1, 2], host: greets('220 mail.example ESMTP\r\n'), stage: 'tls', says: NO_TLS },
  'a web server without TLS': {
    modes: [1, 2],
    host: () =>
      createServer((socket) => {
        socket.on('error', () => {}).once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
      }),
    stage: 'tls',
    says: NO_TLS,
  },
  'a server that speaks TLS 1.2 at most': {
    modes: [1, 2],
    host: async () => createTlsServer({ ...(await testCertificates()).localhost, maxVersion: 'TLSv1.2' }),
    stage: 'tls',
    says: OLD,
  },
  'an SSH server, without TLS': {
    modes: [0],
    host: greets('SSH-2.0-OpenSSH_9.2\r\n'),
    stage: 'tag',
    code: 'POOLD_ERR_BAD_TAG',
    says: /SSH/,
  },
  'a server with TLS, itself without': {
    modes: [0],
    host: async () => createTlsServer(serverTlsSettings({ mode: 1 }, await selfSignedMaterial())),
    stage: 'tag',
    code: 'POOLD_ERR_HANDSHAKE_TIMEOUT',
    handshakeTimeoutMs: 2000,
    says: /silent at the stage "tag".*the same TLS mode/,
  },
};

for (const [what, { modes, host, stage, code = 'POOLD_ERR_DIAL', says, ...limits }] of Object.entries(hosts)) {
  for (const mode of modes) {
    test(`case 5: a mode ${mode} client that meets ${what} says so`, async (t) => {
      const server = (await host()).on('tlsClientError', () => {});
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { client: tls } = await tlsOptions(mode);
      const dial = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
      await using client = new ClientPool({ dial, token: TOKEN, tls, minCapacity: 1, ...limits });
      const failed = nextEvent<DialFailedEvent>(client, 'dialFailed');
      await client.start();
      const { error, stage: at } = await failed;
      t.is(error.code, code, error.message);
      t.is(at, stage);
      t.regex(error.message, says);
      server.close();
    });
  }
}
