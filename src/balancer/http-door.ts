/** Where a balancer's clients come in: Node's HTTP server with limits, and who may connect. */
import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type DescriptorsError, DialError, reasonOf } from '../shared/errors.ts';
import { formatAddress, type HostAddress, normaliseIp } from '../shared/net/address.ts';
import { DescriptorGuard } from '../shared/net/descriptor-guard.ts';
import { listenOptions } from '../shared/net/socket-options.ts';
import { spareForVisitors } from '../shared/policy/descriptors.ts';
import { VisitorGate } from '../shared/tunnel/visitor-gate.ts';
import { rawAnswer } from './answers.ts';
import { AskedMessage } from './asked-message.ts';
import type { ClientRefusal } from './balancer-events.ts';
import type { BalancerPlace, BalancerRules } from './balancer-options.ts';
import { EarlyBytes } from './early-bytes.ts';
import type { Exchange } from './exchange.ts';
import type { Asker } from './request-head.ts';

/** How often Node looks for heads that are too slow, ms. */
const CHECK_MS = 1000;

/** From when on the system asks a silent client for a sign of life, ms. */
const KEEP_ALIVE_MS = 30_000;

/** How much later than too slow a head silence is noticed, ms, so that who sends one is told: Node looks only so often. */
const SILENCE_MARGIN_MS = 2 * CHECK_MS;

/** What is known of a client's connection. */
export interface Client extends Asker {
  /** Those that are on, in order. Only the first is under way: clients that do not wait for answers get no more room than others. */
  readonly exchanges: Exchange[];
}

/** A request, as it came. */
export interface Arrived {
  readonly client: Client;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Whether the client waits for `100 Continue` before it sends the body. */
  readonly wantsContinue: boolean;
  /** What comes behind the head of an upgrade. */
  readonly early?: EarlyBytes;
}

/** Who hears what comes in. */
export interface DoorOwner {
  onRequest(arrived: Arrived): void;
  onRefused(remote: string | undefined, reason: ClientRefusal): void;
  /** Descriptors are lacking for clients; told once for each shortage. */
  onShort(error: DescriptorsError): void;
  onFault(error: DialError): void;
}

type Place = Pick<BalancerPlace, 'listen' | 'headerTimeoutMs' | 'idleTimeoutMs' | 'maxHeaderBytes' | 'clock'>;
type Rules = Pick<BalancerRules, 'visitors' | 'timeoutMs' | 'trusted'>;

export class HttpDoor {
  readonly #listen: HostAddress;
  readonly #owner: DoorOwner;
  readonly #server: Server;
  readonly #gate: VisitorGate;
  readonly #guard: DescriptorGuard;
  readonly #clients = new Map<Duplex, Client>();
  readonly #headerTimeoutMs: number;
  #rules: Rules;

  constructor(place: Place, rules: Rules, owner: DoorOwner) {
    const { listen, headerTimeoutMs, clock } = place;
    this.#listen = listen;
    this.#headerTimeoutMs = headerTimeoutMs;
    this.#owner = owner;
    this.#rules = rules;
    this.#gate = new VisitorGate(rules.visitors, clock);
    const onShort = (error: DescriptorsError): void => owner.onShort(error);
    this.#guard = new DescriptorGuard({ who: 'clients', spare: spareForVisitors, clock, onShort });
    this.#server = this.#makeServer(place);
    this.setRules(rules);
  }

  get listening(): boolean {
    return this.#server.listening;
  }

  /** Where clients connect; undefined while not listening. */
  get address(): HostAddress | undefined {
    const address = this.#server.address();
    if (address === null || typeof address !== 'object') return undefined;
    return { host: address.address, port: address.port };
  }

  /** Connections of clients. */
  get clients(): number {
    return this.#gate.stats.visitors;
  }

  /** @throws DialError when the address cannot be listened on */
  async start(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const failed = (cause: Error): void => {
        const what = `cannot listen on ${formatAddress(this.#listen)}: ${reasonOf(cause)}`;
        reject(new DialError('connect', what, { cause }));
      };
      this.#server.once('error', failed);
      this.#server.listen(listenOptions(this.#listen, false), () => {
        this.#server.off('error', failed);
        resolve();
      });
    });
  }

  /** For who comes from now on. */
  setRules(rules: Rules): void {
    this.#rules = rules;
    this.#gate.rules = rules.visitors;
    this.#server.timeout = Math.max(rules.timeoutMs, this.#headerTimeoutMs + SILENCE_MARGIN_MS);
  }

  /** Who a request is from; undefined when it has left. */
  clientOf({ socket }: IncomingMessage): Client | undefined {
    return this.#clients.get(socket);
  }

  /** Lets nobody in any more, and closes connections on which nothing is on. */
  close(): void {
    if (this.#server.listening) this.#server.close();
    this.closeIdle();
    // To Node they are as good as busy.
    for (const socket of this.#clients.keys()) if ((socket as Socket).bytesRead === 0) socket.destroy();
  }

  /** Closes connections whose last answer has gone out: Node keeps them for the next request. */
  closeIdle(): void {
    this.#server.closeIdleConnections();
  }

  /** Closes all connections. */
  destroy(): void {
    if (this.#server.listening) this.#server.close();
    this.#server.closeAllConnections();
  }

  #makeServer({ headerTimeoutMs, idleTimeoutMs, maxHeaderBytes }: Place): Server {
    const server = createServer({
      IncomingMessage: AskedMessage,
      // That is judged with the rest, and told.
      requireHostHeader: false,
      noDelay: true,
      // A WebSocket may be silent for long; whether its client is still there the system asks.
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
      keepAliveTimeout: idleTimeoutMs,
      headersTimeout: headerTimeoutMs,
      // How long a body may take is for its silences to say.
      requestTimeout: 0,
      maxHeaderSize: maxHeaderBytes,
      connectionsCheckingInterval: CHECK_MS,
    });
    // Node would leave out silently what is beyond: the size is limit enough.
    server.maxHeadersCount = 0;
    server.on('connection', (socket: Socket) => this.#meet(socket));
    server.on('request', (request, response) => this.#arrive(request, response, false));
    server.on('checkContinue', (request, response) => this.#arrive(request, response, true));
    server.on('checkExpectation', (request, response) => this.#arrive(request, response, false));
    server.on('upgrade', (request, socket, first) => this.#upgrade(request, socket as Socket, first));
    server.on('timeout', (socket) => this.#silent(socket));
    server.on('clientError', (error, socket) => this.#refuse(error, socket));
    server.on('error', (cause) => {
      // One that comes at the start is told by start.
      if (!server.listening) return;
      this.#owner.onFault(new DialError('connect', `cannot accept a client: ${cause.message}`, { cause }));
    });
    return server;
  }

  #meet(socket: Socket): void {
    const { remoteAddress } = socket;
    const ip = remoteAddress === undefined ? undefined : normaliseIp(remoteAddress);
    const isTrusted = ip !== undefined && this.#rules.trusted.has(ip);
    const lacks = this.#guard.refuses(socket);
    const entered = lacks ? this.#gate.refuse('descriptors') : this.#gate.enter(remoteAddress, isTrusted);
    if (typeof entered === 'string') {
      this.#owner.onRefused(remoteAddress, entered);
      socket.destroy();
      return;
    }
    const client: Client = { ip, isTrusted, exchanges: [] };
    this.#clients.set(socket, client);
    socket.once('close', () => {
      this.#clients.delete(socket);
      for (const exchange of client.exchanges.splice(0)) exchange.onClientLeft();
      this.#gate.leave(entered);
    });
  }

  #arrive(request: IncomingMessage, response: ServerResponse, wantsContinue: boolean, early?: EarlyBytes): void {
    const client = this.clientOf(request);
    // What comes behind a request that had the connection closed is still told.
    if (client === undefined || request.socket.destroyed || request.socket.writableEnded) return;
    const arrived = { client, request, response, wantsContinue };
    this.#owner.onRequest(early === undefined ? arrived : { ...arrived, early });
  }

  /** Node leaves the answer to us, and reads nothing more as HTTP. */
  #upgrade(request: IncomingMessage, socket: Socket, first: Buffer): void {
    // `close` follows.
    socket.on('error', () => {});
    // Node tells of silence no more.
    socket.on('timeout', () => this.#silent(socket));
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    try {
      response.assignSocket(socket);
    } catch {
      // An answer to a request before it is on its way still, and Node sees to that no more.
      this.#owner.onRefused(this.#clients.get(socket)?.ip, 'bad-request');
      socket.destroy();
      return;
    }
    response.once('finish', () => socket.destroySoon());
    this.#arrive(request, response, false, new EarlyBytes(socket, first));
  }

  /** Who has nothing on is idle, or does not read the end of an answer; otherwise it may be somebody else's turn. */
  #silent(socket: Socket): void {
    const exchange = this.#clients.get(socket)?.exchanges[0];
    if (exchange === undefined) socket.destroy();
    else exchange.onClientSilent();
  }

  /** What came is no HTTP, or came too slowly. */
  #refuse(error: Error, socket: Duplex): void {
    const { code = '' } = error as NodeJS.ErrnoException;
    // It was told already.
    if (socket.writableEnded) return void socket.destroy();
    const client = this.#clients.get(socket);
    // The connection itself is lost: its exchanges hear of that by its close.
    if (!/^(?:HPE_|ERR_HTTP_REQUEST_TIMEOUT)/.test(code)) return void socket.destroy(error);
    const [status, reason] = KINDS[code] ?? [400, 'bad-request'];
    this.#owner.onRefused(client?.ip, reason);
    const { exchanges = [] } = client ?? {};
    if (exchanges.length === 1 && exchanges[0]?.refuseBody() === true) return;
    if (client === undefined || exchanges.length > 0 || !socket.writable) socket.destroy(error);
    else socket.end(rawAnswer(status), () => socket.destroy());
  }
}

/** What of Node's words is no bad request. */
const KINDS: Readonly<Record<string, readonly [408 | 431, ClientRefusal]>> = {
  HPE_HEADER_OVERFLOW: [431, 'header-too-long'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'too-slow'],
};
