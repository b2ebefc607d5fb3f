/** Tunnels that clients ask for: a public port each, opened when a client wants it and closed when nobody does. */
import { RejectedError } from '../shared/errors.ts';
import { Events } from '../shared/events.ts';
import { formatPortRanges, havePort } from '../shared/net/port-ranges.ts';
import type { VisitorsOptions } from '../shared/tunnel/visitor-rules.ts';
import { checkPublishOptions, type PublishOptions, tunnelOptionsFor } from './publish-options.ts';
import { CLOSING, PublishedTunnel, type PublishedTunnelOwner } from './published-tunnel.ts';
import type { Publisher, PublishRequest } from './server-listener.ts';
import { ServerPool } from './server-pool.ts';
import { DEFAULT_KEEP_ALIVE_TIMEOUT_MS } from './server-pool-options.ts';
import { TunnelServer } from './tunnel-server.ts';

/** A public port that a client has asked for. */
export interface PublishedPort {
  readonly tunnel: string;
  readonly port: number;
  readonly protocol: 'tcp' | 'udp';
  readonly server: TunnelServer;
}

export interface PublishEventMap {
  /** A port listens. Said before its first client is in. */
  published: [PublishedPort];
  /** It does not any more; visits may go on until its grace is over. */
  unpublished: [PublishedPort];
}

/** When a client is asked to come back whose port somebody else has, ms: he may be gone by then. */
const CONFLICT_RETRY_MS = 1000;

/** The same where as many are open as may be, ms. */
const LIMIT_RETRY_MS = 10_000;

/** Default of `close({ graceMs })`, ms. */
const DEFAULT_GRACE_MS = 10_000;

export class PublishedTunnels
  extends Events<PublishEventMap>
  implements Publisher, PublishedTunnelOwner, AsyncDisposable
{
  readonly #options: ReturnType<typeof checkPublishOptions>;
  #visitors: VisitorsOptions;
  readonly #byName = new Map<string, PublishedTunnel>();
  readonly #byPort = new Map<string, PublishedTunnel>();
  /** Those that are being closed. */
  readonly #closings = new Map<PublishedTunnel, Promise<void>>();
  #closed: Promise<void> | undefined;

  /**
   * Lets clients ask from now on.
   *
   * @throws InvalidOptionError naming the option; for a listener without a token, and for one that has others already
   */
  constructor(options: PublishOptions) {
    super('publish');
    this.#options = checkPublishOptions(options);
    this.#visitors = this.#options.tunnel.visitors ?? {};
    this.#checkTemplates();
    this.#options.listener.setPublisher(this);
  }

  /** The ports that are open now. */
  get all(): readonly PublishedPort[] {
    return [...this.#byName.values()].filter(({ open }) => open).map(portOf);
  }

  /**
   * Replaces the rules for the visitors who come from now on, at all ports. Who is in stays.
   *
   * @throws InvalidOptionError for rules that are wrong; the old ones hold
   */
  setVisitorRules(rules: VisitorsOptions): void {
    const before = this.#visitors;
    this.#visitors = rules;
    try {
      this.#checkTemplates();
    } catch (error) {
      this.#visitors = before;
      throw error;
    }
    for (const { server, protocol } of this.#byName.values()) {
      server.setVisitorRules(tunnelOptionsFor(protocol, { visitors: rules }).visitors ?? {});
    }
  }

  /** Opens no port any more, and closes those that are open: visits may end until the grace is over. */
  close({ graceMs = DEFAULT_GRACE_MS }: { graceMs?: number } = {}): Promise<void> {
    this.#closed ??= this.#close(graceMs);
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @internal */
  has(tunnel: string): boolean {
    return this.#byName.has(tunnel);
  }

  /** @internal */
  publish(request: PublishRequest): Promise<void> | undefined {
    const { tunnel, port, owner } = request;
    const { ports } = this.#options;
    if (this.#closed !== undefined) throw new RejectedError('busy', CLOSING);
    if (!havePort(ports, port)) {
      throw new RejectedError(
        'tunnel',
        `port ${port} may not be published here; allowed are ${formatPortRanges(ports)}`,
      );
    }
    const rivals = [...new Set([this.#byName.get(tunnel), this.#byPort.get(keyOf(request))])].filter(
      (rival) => rival !== undefined,
    );
    let joined: PublishedTunnel | undefined;
    for (const rival of rivals) {
      const verdict = rival.judge(request);
      if (verdict === 'conflict') throw conflict(request, rival);
      if (verdict === 'join') joined = rival;
    }
    if (joined === undefined || (joined.vacant && joined.owner !== owner)) this.#checkLimit(owner, rivals);
    if (joined !== undefined) return joined.join(request);
    return this.#open(
      request,
      rivals.map((rival) => this.#shut(rival, 0)),
    );
  }

  /** @internal */
  onOpen(published: PublishedTunnel): void {
    this.tell('published', portOf(published));
  }

  /** @internal */
  onLingered(published: PublishedTunnel): void {
    void this.#shut(published, 0);
  }

  /** @internal */
  onGone(published: PublishedTunnel): void {
    this.#forget(published);
  }

  #open(request: PublishRequest, before: readonly Promise<void>[]): Promise<void> {
    const { clock, lingerMs, pool } = this.#options;
    const { keepAliveTimeoutMs = DEFAULT_KEEP_ALIVE_TIMEOUT_MS } = pool;
    const rules = { clock, lingerMs, keepAliveTimeoutMs };
    const published = new PublishedTunnel(request, this.#makeServer(request), rules, this);
    this.#byName.set(request.tunnel, published);
    this.#byPort.set(keyOf(request), published);
    return published.start(Promise.all(before));
  }

  #makeServer({ tunnel, port, protocol }: Omit<PublishedPort, 'server'>): TunnelServer {
    const { listener, host, pool, clock, tunnel: rules } = this.#options;
    return new TunnelServer({
      clock,
      ...tunnelOptionsFor(protocol, { ...rules, visitors: this.#visitors }),
      protocol,
      public: { host, port },
      pool: new ServerPool({ clock, ...pool, listener, tunnel, name: tunnel }),
    });
  }

  /** What is wrong with the options of pools and tunnels is found before a client comes. */
  #checkTemplates(): void {
    for (const protocol of ['tcp', 'udp'] as const) this.#makeServer({ tunnel: 'any', port: 1, protocol });
  }

  /** @throws RejectedError when the token has as many ports as it may */
  #checkLimit(owner: string, replaced: readonly PublishedTunnel[]): void {
    const { maxPerToken } = this.#options;
    const others = [...this.#byName.values()].filter((one) => one.owner === owner && !replaced.includes(one));
    if (others.length < maxPerToken) return;
    const why = `${maxPerToken} ports are published with this token, and no more may be at a time`;
    throw new RejectedError('limit', `${why}; close one, or raise the limit at the server`, LIMIT_RETRY_MS);
  }

  /** Not an entry any more from now on, so that its name and port are free for others. */
  #forget(published: PublishedTunnel): void {
    if (this.#byName.get(published.tunnel) !== published) return;
    this.#byName.delete(published.tunnel);
    this.#byPort.delete(keyOf(published));
    if (published.open) this.tell('unpublished', portOf(published));
  }

  #shut(published: PublishedTunnel, graceMs: number): Promise<void> {
    this.#forget(published);
    let closing = this.#closings.get(published);
    if (closing !== undefined) return closing;
    closing = published.close(graceMs).finally(() => this.#closings.delete(published));
    this.#closings.set(published, closing);
    return closing;
  }

  async #close(graceMs: number): Promise<void> {
    for (const published of [...this.#byName.values()]) void this.#shut(published, graceMs);
    await Promise.all(this.#closings.values());
    this.#options.listener.deletePublisher(this);
  }
}

function keyOf({ protocol, port }: Pick<PublishedPort, 'protocol' | 'port'>): string {
  return `${protocol}:${port}`;
}

function portOf({ tunnel, port, protocol, server }: PublishedTunnel): PublishedPort {
  return { tunnel, port, protocol, server };
}

/** @param rival who has the name, the port, or both */
function conflict({ tunnel, port, protocol }: PublishRequest, rival: PublishedTunnel): RejectedError {
  const since = `by another client since ${new Date(rival.since).toISOString()}`;
  const says =
    rival.port === port && rival.protocol === protocol
      ? `port ${port} is published ${since}; say share at both and give both the same tunnel name, or choose another port`
      : `the tunnel ${tunnel} is published at another port ${since}; choose another name`;
  return new RejectedError('limit', says, CONFLICT_RETRY_MS);
}
