import { type Ear, Events } from '../shared/events.ts';
import type { Clock, Timer } from '../shared/clock.ts';
import type { DescriptorsError, DialError } from '../shared/errors.ts';
import { formatAddress, type HostAddress } from '../shared/net/address.ts';
import { LinkedList } from '../shared/pool/linked-list.ts';
import { answer, type OwnStatus } from './answers.ts';
import { Backends, type BackendsOwner } from './backends.ts';
import type { BalancerEventMap, ClientRefusal } from './balancer-events.ts';
import {
  balancerOptions,
  type BalancerPlace,
  type BalancerRules,
  balancerRules,
  type BalancerRulesOptions,
  type HttpBalancerOptions,
} from './balancer-options.ts';
import { type BalancerStats, RequestCounts } from './balancer-stats.ts';
import { Exchange, type ExchangeOwner } from './exchange.ts';
import { type Arrived, type Client, type DoorOwner, HttpDoor } from './http-door.ts';
import { type HeadRefusal, readHead, type RequestHead } from './request-head.ts';

/** So many requests of a client may be there ahead of their answers; hardly a client sends any. */
const MAX_AHEAD = 256;

/** What is told of a request that is over; of one that went nowhere the least. */
type ClosedFacts = Pick<Exchange, 'request' | 'status' | 'end'> & Partial<Exchange>;

/** Why a request goes nowhere. */
interface Refusal {
  readonly status: OwnStatus;
  readonly says: string;
}

/**
 * An HTTP/1.1 balancer: requests that come in at one address go to one of several servers, over connections that are
 * kept. Servers that fail are passed over; what is safe to send twice is tried at another one.
 */
export class HttpBalancer
  extends Events<BalancerEventMap>
  implements AsyncDisposable, BackendsOwner, DoorOwner, ExchangeOwner
{
  readonly backends: Backends;
  readonly clock: Clock;
  rules: BalancerRules;
  isClosing = false;
  readonly #place: BalancerPlace;
  readonly #door: HttpDoor;
  readonly #counts = new RequestCounts();
  /** Not in a Set: one whose members change all the time keeps them from the garbage collector until it looks at old memory. */
  readonly #exchanges = new LinkedList<Exchange>();
  readonly #requestClosed: Ear;
  /** Resolves when the last exchange is over. */
  #idle: (() => void) | undefined;

  /** @throws InvalidOptionError naming the option */
  constructor(options: HttpBalancerOptions) {
    super('balancer');
    const { place, rules } = balancerOptions(options);
    this.#place = place;
    this.clock = place.clock;
    this.rules = rules;
    this.backends = new Backends(rules, place, this);
    this.#door = new HttpDoor(place, rules, this);
    this.#requestClosed = this.ear('requestClosed');
  }

  /** Where clients connect; undefined while not listening. */
  get address(): HostAddress | undefined {
    return this.#door.address;
  }

  /** Whether it listens, and a server is up. */
  get ready(): boolean {
    return this.#door.listening && this.backends.stats().some(({ up }) => up);
  }

  stats(): BalancerStats {
    const { opened, closed, answers, retries, bytesIn, bytesOut, refused } = this.#counts;
    const { address } = this;
    const on = this.#exchanges.size;
    const { waiting } = this.backends;
    return {
      listen: address && formatAddress(address),
      clients: this.#door.clients,
      requests: { on, waiting, opened, closed: { ...closed }, answers: { ...answers }, retries },
      bytes: { received: bytesIn, sent: bytesOut },
      refused,
      servers: this.backends.stats(),
    };
  }

  /** Listens, and begins to check the servers. @throws DialError when the address cannot be listened on */
  async start(): Promise<void> {
    await this.#door.start();
    this.backends.start();
  }

  /**
   * Gives it other servers and rules from the next request on. What is on goes on, also at servers that are gone.
   *
   * @throws InvalidOptionError naming the option; then nothing has changed
   */
  setRules(options: BalancerRulesOptions): void {
    const rules = balancerRules(options, this.#place);
    this.backends.setRules(rules);
    this.#door.setRules(rules);
    this.rules = rules;
  }

  /**
   * Lets nobody in any more; requests that are on have `graceMs` to end, and are broken off then. Upgraded connections are
   * requests that are on. Default 0.
   */
  async close({ graceMs = 0 }: { readonly graceMs?: number } = {}): Promise<void> {
    this.isClosing = true;
    const { clock } = this;
    this.#door.close();
    let timer: Timer | undefined;
    if (this.#exchanges.size > 0 && graceMs > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
        timer = clock.setTimeout(resolve, graceMs);
      });
    }
    clock.clearTimeout(timer);
    this.destroy();
  }

  /** Breaks off everything. */
  destroy(): void {
    this.isClosing = true;
    for (const exchange of [...this.#exchanges.fromHead()]) exchange.destroy();
    this.backends.destroy();
    this.#door.destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // What the servers, the door and exchanges tell.

  onDown(server: string, error: Error): void {
    if (this.heard('serverDown')) this.tell('serverDown', { server, error });
  }

  onUp(server: string): void {
    if (this.heard('serverUp')) this.tell('serverUp', { server });
  }

  onShort(error: DescriptorsError): void {
    this.tell('fault', { error });
  }

  onFault(error: DialError): void {
    this.tell('fault', { error });
  }

  onRefused(remote: string | undefined, reason: ClientRefusal): void {
    this.#counts.refuse(reason);
    if (this.heard('clientRefused')) this.tell('clientRefused', { remote, reason });
  }

  onRequest({ client, request, response, wantsContinue, early }: Arrived): void {
    this.#counts.opened += 1;
    const head = this.#judge(readHead(request, client));
    if ('says' in head) {
      const { status, says } = head;
      this.#counts.closed.refused += 1;
      this.#counts.answered(status);
      if (this.#requestClosed.open) this.#tellClosed(client, { request, status, end: 'refused' });
      // Whatever follows may be something else than it seems.
      response.shouldKeepAlive = false;
      return answer(response, status, says, this.clock);
    }
    const exchange = new Exchange(this, request, response, head, wantsContinue, early);
    if (this.#requestClosed.open) exchange.startedAt = this.clock.now();
    client.exchanges.push(exchange);
    this.#exchanges.addLast(exchange);
    if (client.exchanges.length === 1) exchange.start();
    else if (client.exchanges.length > MAX_AHEAD) {
      this.onRefused(client.ip, 'too-many');
      request.socket.destroy();
    }
  }

  onEnd(exchange: Exchange): void {
    const { status, end = 'client-left', retries, bytesIn, bytesOut, request } = exchange;
    this.#exchanges.remove(exchange);
    const client = this.#door.clientOf(request);
    const counts = this.#counts;
    counts.closed[end] += 1;
    counts.retries += retries;
    counts.bytesIn += bytesIn;
    counts.bytesOut += bytesOut;
    counts.answered(status);
    if (this.#requestClosed.open) this.#tellClosed(client, exchange);
    if (client !== undefined) startNext(client, exchange);
    if (this.isClosing) this.#checkIdle();
  }

  #judge(head: RequestHead | HeadRefusal): RequestHead | Refusal {
    if ('says' in head || (head.bodyBytes ?? 0) <= this.rules.bodyLimitBytes) return head;
    return { status: 413, says: 'the body is longer than is allowed here' };
  }

  #tellClosed(client: Client | undefined, facts: ClosedFacts): void {
    const { request, backend, status, startedAt, end = 'client-left', error } = facts;
    const { retries = 0, bytesIn = 0, bytesOut = 0 } = facts;
    this.tell('requestClosed', {
      method: request.method ?? '',
      path: request.url?.split('?', 1)[0] ?? '',
      remote: client?.ip,
      server: backend?.name,
      status,
      end,
      retries,
      durationMs: startedAt === undefined ? 0 : this.clock.now() - startedAt,
      bytesIn,
      bytesOut,
      error,
    });
  }

  /** The answer is still to be written. */
  #checkIdle(): void {
    setImmediate(() => this.#door.closeIdle());
    if (this.#exchanges.size === 0) setImmediate(() => this.#idle?.());
  }
}

/** An exchange of a client is over; the next one begins. */
function startNext({ exchanges }: Client, exchange: Exchange): void {
  const at = exchanges.indexOf(exchange);
  if (at === -1) return;
  exchanges.splice(at, 1);
  if (at === 0) exchanges[0]?.start();
}
