/** The admin address: metrics, health, status, events, reload and the dashboard, over HTTP. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { METRICS_TYPE } from '../../shared/telemetry/metrics.ts';
import { DialError, reasonOf } from '../../shared/errors.ts';
import { formatAddress, type HostAddress } from '../../shared/net/address.ts';
import type { AdminSettings } from '../admin-flags.ts';
import { makePage, type Page } from './dashboard/assemble.ts';
import { EventStream } from './event-stream.ts';
import { Guard } from './guard.ts';
import type { Notes } from './notes.ts';
import type { StatusReport } from './report.ts';

/** What there is to tell. */
export interface AdminSource {
  report(): Promise<StatusReport>;
  /** The text of `/metrics`. */
  metrics(): Promise<string>;
}

/** Reads the settings again, and says how that went, as HTTP does: 200, 422 when nothing has changed, 500 for some of it. */
export type ReloadHook = () => Promise<{ readonly status: 200 | 422 | 500; readonly answer: object }>;

/** The most connections, and how much and how long each may ask, bytes and ms. */
const MAX_CONNECTIONS = 64;
const LIMITS = {
  maxHeaderSize: 8192,
  headersTimeout: 5000,
  requestTimeout: 10_000,
  keepAliveTimeout: 5000,
  connectionsCheckingInterval: 1000,
};

/** On every answer: none is kept, framed, or taken for something else. */
const HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
};

const TEXT = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json';

export class AdminServer {
  readonly #listen: HostAddress;
  readonly #source: AdminSource;
  readonly #guard: Guard;
  readonly #events: EventStream;
  readonly #server: Server;
  /** Set by whoever can read its settings again. */
  reload: ReloadHook | undefined;
  #page: Page | undefined;

  constructor(settings: AdminSettings, source: AdminSource, notes: Notes) {
    this.#listen = settings.listen;
    this.#source = source;
    this.#guard = new Guard({ ...settings, hosts: [settings.listen.host, ...settings.hosts] });
    this.#events = new EventStream(() => source.report(), notes);
    this.#server = createServer(LIMITS, (request, response) => void this.#answer(request, response));
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /** Where it is; undefined while not listening. */
  get address(): HostAddress | undefined {
    const address = this.#server.address();
    if (address === null || typeof address !== 'object') return undefined;
    return { host: address.address, port: address.port };
  }

  /** @throws DialError when the address cannot be listened on */
  async start(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause) => {
        const what = `cannot listen on ${formatAddress(this.#listen)} (--admin): ${reasonOf(cause)}`;
        reject(new DialError('connect', what, { cause }));
      });
      this.#server.listen(this.#listen, resolve);
    });
    // An accept that fails for want of descriptors is tried again by the next one.
    this.#server.on('error', () => {});
  }

  close(): void {
    this.#events.close();
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => {});
    try {
      const { method, headers } = request;
      const { localAddress } = request.socket;
      const path = request.url?.split('?', 1)[0] ?? '';
      const refusal = this.#guard.refusalOf({ method, path, headers, localAddress });
      if (refusal === undefined) return await this.#serve(path, response);
      const extra: Record<string, string> =
        refusal.status === 401
          ? { 'www-authenticate': 'Bearer' }
          : refusal.status === 405
            ? { allow: path === '/reload' ? 'POST' : 'GET, HEAD' }
            : {};
      send(response, refusal.status, TEXT, `${refusal.says}\n`, extra);
    } catch (error) {
      if (response.headersSent) response.destroy();
      else send(response, 500, TEXT, `${reasonOf(error)}\n`);
    } finally {
      // Nothing that is sent with a request is of use here.
      request.resume();
    }
  }

  async #serve(path: string, response: ServerResponse): Promise<void> {
    switch (path) {
      case '/':
        this.#page ??= makePage();
        return send(response, 200, 'text/html; charset=utf-8', this.#page.html, {
          'content-security-policy': this.#page.policy,
        });
      case '/healthz':
        return send(response, 200, TEXT, 'alive\n');
      case '/readyz': {
        const { ready, reason } = await this.#source.report();
        return send(response, ready ? 200 : 503, TEXT, `${ready ? 'ready' : 'not ready'}: ${reason}\n`);
      }
      case '/metrics':
        return send(response, 200, METRICS_TYPE, await this.#source.metrics());
      case '/status':
        return send(response, 200, JSON_TYPE, `${JSON.stringify(await this.#source.report())}\n`);
      case '/events':
        return this.#stream(response);
      case '/reload':
        return await this.#reload(response);
      default:
        return send(response, 404, TEXT, 'there are /, /metrics, /healthz, /readyz, /status, /events and /reload\n');
    }
  }

  #stream(response: ServerResponse): void {
    if (this.#events.full) return send(response, 503, TEXT, 'too many listen already\n', { 'retry-after': '5' });
    response.writeHead(200, { ...HEADERS, 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' });
    if (response.req.method === 'HEAD') response.end();
    else this.#events.add(response);
  }

  async #reload(response: ServerResponse): Promise<void> {
    if (this.reload === undefined)
      return send(response, 501, JSON_TYPE, '{"error":"there is no file to read again"}\n');
    const { status, answer } = await this.reload();
    send(response, status, JSON_TYPE, `${JSON.stringify(answer)}\n`);
  }
}

function send(
  response: ServerResponse,
  status: number,
  type: string,
  body: string,
  extra: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, {
    ...HEADERS,
    ...extra,
    'content-type': type,
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}
