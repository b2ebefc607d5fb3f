/** Small real proxies, HTTP CONNECT and SOCKS5, and ways in which real ones fail. */
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export interface ProxyOptions {
  /** Default: a free one. */
  readonly port?: number;
  /** `user:password` that it wants; it lets everybody in without. */
  readonly credentials?: string;
  /** Waits for the server's first bytes, and sends its answer and them as one. */
  readonly together?: boolean;
  /** Sends the server's bytes and its own one at a time. */
  readonly bytewise?: boolean;
  /** Answers every request with this: an HTTP status, or the reply of SOCKS5. */
  readonly refuse?: number;
  /** HTTP: it is spoken to by TLS. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Goes silent, or ends, in place of this answer, or in the middle of it. */
  readonly stop?: { readonly at: Step; readonly how: 'hang' | 'hang up' };
}

/** What an HTTP proxy answers, and what a SOCKS5 proxy. */
type Step = 'answer' | 'half an answer' | 'method' | 'password' | 'reply';

/** What URLs and proxies of tests have to do with: a user and a password that must be encoded. */
export const PASSWORD = 'p@ss:wörd/100%';
export const CREDENTIALS = `some one:${PASSWORD}`;
export const USER_INFO = `some%20one:${encodeURIComponent(PASSWORD)}@`;

/** The password in every form in which it travels. */
export const SECRETS = [PASSWORD, encodeURIComponent(PASSWORD), Buffer.from(CREDENTIALS).toString('base64')];

/** Every text and every byte in a value and what it holds. */
export function textsIn(value: unknown, known = new Set<unknown>()): string {
  if (typeof value === 'string') return value;
  if (Buffer.isBuffer(value)) return `${value.toString('latin1')} ${value.toString('utf8')}`;
  if (typeof value !== 'object' || value === null || known.has(value)) return '';
  known.add(value);
  return Reflect.ownKeys(value)
    .map((key) => textsIn((value as Record<PropertyKey, unknown>)[key], known))
    .join(' ');
}

export interface TestProxy extends AsyncDisposable {
  readonly port: number;
  /** What it was asked to connect to, in the order of asking: SOCKS5 with the kind of the address before it. */
  readonly asked: readonly string[];
  /** Connections on which it has stopped, as told. */
  readonly stopped: number;
  /** Connections to it that are open. */
  readonly open: number;
}

interface Seen {
  readonly asked: string[];
  stopped: number;
}

/** An HTTP proxy for CONNECT. */
export function startHttpProxy(options: ProxyOptions = {}): Promise<TestProxy> {
  const seen: Seen = { asked: [], stopped: 0 };
  const settings = { allowHalfOpen: true, ...options.tls };
  const server = options.tls === undefined ? createHttpServer() : createHttpsServer(settings);
  server.on('connect', (request: IncomingMessage, socket: Socket): unknown => {
    seen.asked.push(request.url ?? '');
    if (stops(socket, 'answer', options, seen)) return undefined;
    if (options.stop?.at === 'half an answer') socket.write('HTTP/1.1 200 Conn');
    if (stops(socket, 'half an answer', options, seen)) return undefined;
    const wanted = options.credentials && `Basic ${Buffer.from(options.credentials).toString('base64')}`;
    if (request.headers.host !== request.url) return socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    if (wanted !== undefined && request.headers['proxy-authorization'] !== wanted) {
      return socket.end('HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic realm="test"\r\n\r\n');
    }
    if (options.refuse !== undefined) {
      return socket.end(`HTTP/1.1 ${options.refuse} What it says\r\nContent-Length: 4\r\n\r\nbody`);
    }
    const { hostname, port } = new URL(`http://${request.url}`);
    const host = hostname.replace(/^\[|\]$/g, '');
    const no = (): void => void socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
    return passOn(socket, { host, port: Number(port) }, Buffer.from('HTTP/1.1 200 Connected\r\n\r\n'), no, options);
  });
  return listen(server, options, seen);
}

/** A SOCKS5 proxy for CONNECT. */
export function startSocksProxy(options: ProxyOptions = {}): Promise<TestProxy> {
  const seen: Seen = { asked: [], stopped: 0 };
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    void serveSocks(socket, options, seen);
  });
  return listen(server, options, seen);
}

async function serveSocks(socket: Socket, options: ProxyOptions, seen: Seen): Promise<void> {
  const [, methods = 0] = await take(socket, 2);
  const method = options.credentials === undefined ? 0 : 2;
  const offered = (await take(socket, methods)).includes(method);
  if (stops(socket, 'method', options, seen)) return;
  await send(socket, Buffer.of(5, offered ? method : 0xff), options);
  if (!offered) return;
  if (method === 2) {
    const [, userBytes = 0] = await take(socket, 2);
    const user = await take(socket, userBytes);
    const password = await take(socket, (await take(socket, 1))[0] ?? 0);
    if (stops(socket, 'password', options, seen)) return;
    const right = `${String(user)}:${String(password)}` === options.credentials;
    await send(socket, Buffer.of(1, right ? 0 : 1), options);
    if (!right) return;
  }
  const [, , , type = 0] = await take(socket, 4);
  const length = type === 3 ? ((await take(socket, 1))[0] ?? 0) : type === 1 ? 4 : 16;
  const bytes = await take(socket, length);
  const port = (await take(socket, 2)).readUInt16BE();
  const host =
    type === 3 ? String(bytes) : type === 1 ? bytes.join('.') : (bytes.toString('hex').match(/..../g) ?? []).join(':');
  seen.asked.push(`${type === 3 ? 'name' : type === 1 ? 'ipv4' : 'ipv6'} ${host} ${port}`);
  if (stops(socket, 'reply', options, seen)) return;
  // It names where it connects from by each kind of address in turn.
  const from = [Buffer.of(1, 0, 0, 0, 0), Buffer.of(4, ...Buffer.alloc(16)), Buffer.of(3, 5, ...Buffer.from('proxy'))];
  const reply = (code: number): Buffer =>
    Buffer.concat([Buffer.of(5, code, 0), from[seen.asked.length % 3] as Buffer, Buffer.of(0, 0)]);
  if (options.refuse !== undefined) return send(socket, reply(options.refuse), options);
  passOn(socket, { host, port }, reply(0), () => void send(socket, reply(5), options), options);
}

/** Connects to the server, and passes bytes, ends and aborts on both ways. */
function passOn(
  socket: Socket,
  to: { host: string; port: number },
  yes: Buffer,
  no: () => void,
  options: ProxyOptions,
): void {
  const server = connect({ ...to, allowHalfOpen: true, noDelay: true });
  let connected = false;
  const start = async (first: Buffer): Promise<void> => {
    connected = true;
    server.pause();
    await send(socket, Buffer.concat([yes, first]), options);
    server.pipe(socket).pipe(server);
  };
  if (options.together === true) server.once('data', (first: Buffer) => void start(first));
  else server.once('connect', () => void start(Buffer.alloc(0)));
  server.on('error', () => (connected ? socket.destroy() : no()));
  socket.on('close', () => server.destroy());
}

/** Whether it is this step that goes wrong. */
function stops(socket: Socket, step: Step, { stop }: ProxyOptions, seen: Seen): boolean {
  if (stop?.at !== step) return false;
  seen.stopped += 1;
  if (stop.how === 'hang up') socket.end();
  // To see when the other side goes.
  else socket.resume().on('end', () => socket.end());
  return true;
}

async function send(socket: Socket, bytes: Buffer, { bytewise = false }: ProxyOptions): Promise<void> {
  const pieces = bytewise ? [...bytes].map((byte) => Buffer.of(byte)) : [bytes];
  for (const piece of pieces) {
    await new Promise((resolve) => socket.write(piece, resolve));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Exactly so many bytes; never resolves when they do not come. */
function take(socket: Socket, length: number): Promise<Buffer> {
  return new Promise((resolve) => {
    const look = (): void => {
      const bytes = (length === 0 ? Buffer.alloc(0) : socket.read(length)) as Buffer | null;
      if (bytes?.length !== length) return;
      socket.off('readable', look);
      resolve(bytes);
    };
    socket.on('readable', look);
    look();
  });
}

async function listen(server: Server, { port = 0 }: ProxyOptions, seen: Seen): Promise<TestProxy> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
  });
  server.on('secureConnection', (socket: Socket) => socket.on('error', () => {}));
  server.on('tlsClientError', () => {});
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    asked: seen.asked,
    get stopped() {
      return seen.stopped;
    },
    get open() {
      return sockets.size;
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
