/** Services behind a tunnel: real TCP servers on free loopback ports. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Target extends AsyncDisposable {
  readonly port: number;
  /** Sockets accepted so far. */
  readonly accepted: number;
}

/** Listens, and hands each connection to `serve`. Everything is destroyed on dispose. */
export async function startTarget(serve: (socket: Socket) => void): Promise<Target> {
  const sockets = new Set<Socket>();
  let accepted = 0;
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    accepted += 1;
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    serve(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    get accepted() {
      return accepted;
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** A target that answers everybody with its name, and ends when the other side has. */
export function startNamed(name: string): Promise<Target> {
  return startTarget((socket) =>
    socket
      .resume()
      .on('end', () => socket.end())
      .write(name),
  );
}

/** Sends back what it gets, and ends when the other side has ended. */
export function echo(socket: Socket): void {
  socket.pipe(socket);
}

/** Ports below those that systems give out by themselves, so that no other test's listener or socket gets one of these. */
const FIRST_PORT = 10_000;
const PORTS = 20_000;

/** A port that nothing listens on. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    const server = createServer().listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch {
      continue;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
}

/**
 * A target that never accepts: its process sleeps right after it has begun to listen, and its backlog is full, so that
 * the kernel answers no further connection.
 */
export async function startSilentTarget(): Promise<{ readonly port: number } & AsyncDisposable> {
  const script = `
    const server = require('node:net').createServer();
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      require('node:fs').writeSync(1, String(server.address().port) + '\\n');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const port = Number(String(line));
  const fillers = Array.from({ length: 4 }, () => connect(port, '127.0.0.1').on('error', () => {}));
  await Promise.all(fillers.slice(0, 2).map((filler) => once(filler, 'connect')));
  return {
    port,
    async [Symbol.asyncDispose]() {
      for (const filler of fillers) filler.destroy();
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

/**
 * Twenty connections that are reset before this process can accept them: it waits, with its event loop standing still,
 * until another process has made and reset them.
 */
export function connectAndReset(port: number): void {
  const script = `
    const net = require('node:net');
    for (let n = 0; n < 20; n += 1) {
      const socket = net.connect(${port}, '127.0.0.1').on('error', () => {});
      socket.once('connect', () => socket.resetAndDestroy());
    }`;
  execFileSync(process.execPath, ['-e', script], { timeout: 10_000 });
}
