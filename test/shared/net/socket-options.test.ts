import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { hasReusePort, tuneSocket } from '../../../src/shared/net/socket-options.ts';

/** A socket that remembers what it was asked to be. */
class RecordingSocket extends Socket {
  readonly calls: unknown[][] = [];

  override setNoDelay(on?: boolean): this {
    this.calls.push(['noDelay', on]);
    return this;
  }

  override setKeepAlive(on?: boolean, delayMs?: number): this {
    this.calls.push(['keepAlive', on, delayMs]);
    return this;
  }
}

const cases: [keepAliveMs: number, calls: unknown[][]][] = [
  [0, [['noDelay', true]]],
  [
    250,
    [
      ['noDelay', true],
      ['keepAlive', true, 1000],
    ],
  ],
  [
    30_000,
    [
      ['noDelay', true],
      ['keepAlive', true, 30_000],
    ],
  ],
];

for (const [keepAliveMs, calls] of cases) {
  test(`a socket tuned with ${keepAliveMs} ms never waits to send, and is kept alive accordingly`, (t) => {
    const socket = new RecordingSocket();
    tuneSocket(socket, keepAliveMs);
    t.deepEqual(socket.calls, calls);
  });
}

test('a unix socket can be tuned like any other', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'poold-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const listener = createServer((socket) => socket.destroy()).listen(join(folder, 'a.sock'));
  await once(listener, 'listening');
  const socket = connect(join(folder, 'a.sock'));
  await once(socket, 'connect');
  t.notThrows(() => tuneSocket(socket, 30_000));
  socket.destroy();
  listener.close();
  await once(listener, 'close');
});

test('Node lets processes share a port from 22.12 and 23.1 on', (t) => {
  const versions = ['20.20.2', '22.11.0', '23.0.0', '22.12.0', '23.1.0', '24.0.0'];
  t.deepEqual(versions.map(hasReusePort), [false, false, false, true, true, true]);
});
