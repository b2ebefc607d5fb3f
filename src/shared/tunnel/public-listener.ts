/** Where visitors come in: one address, for one tunnel or for several that share it by their hosts. */
import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { DialError, InvalidOptionError, VisitorRefusedError } from '../errors.ts';
import { Events } from '../events.ts';
import { formatAddress, type HostAddress, normaliseIp, remoteOf } from '../net/address.ts';
import { listenOption } from '../net/address-option.ts';
import { AddressRanges } from '../net/address-rules.ts';
import { DescriptorGuard } from '../net/descriptor-guard.ts';
import type { HostRead } from '../net/host-read.ts';
import { HostTable, readHosts } from '../net/host-table.ts';
import { checkOptions } from '../options.ts';
import { spareForVisitors } from '../policy/descriptors.ts';
import { breakOff } from '../relay/relay.ts';
import { type Guest, tableOf } from './guest.ts';
import { HandshakeSlots } from './handshake-slots.ts';
import { Preface, type PrefaceFault, type PrefaceOwner } from './preface.ts';
import {
  checkTexts,
  type ListenerRefusal,
  type PublicListenerEventMap,
  type PublicListenerOptions,
  publicListenerSchema,
  type PublicListenerStats,
} from './public-listener-options.ts';
import { answerTo } from './visitor-answer.ts';
import { VisitorListener } from './visitor-listener.ts';

/** The most that are read at a time, in all and of one address: 20 MB with 16 KiB each, and an office behind one address. */
export const MAX_READING = 1024;
export const MAX_READING_PER_ADDRESS = 128;

function ignore(): void {}

/**
 * Accepts visitors and hands each to the tunnel whose host it asks for, by TLS (SNI) or HTTP/1 (Host); TLS goes on as it
 * comes. Nothing is read of a visitor where one tunnel alone is there, which names no hosts, and no proxy is in front.
 *
 * Tunnels come and go: the port is open while any is there, and from {@link start} to {@link close} in any case.
 */
export class PublicListener extends Events<PublicListenerEventMap> implements AsyncDisposable, PrefaceOwner {
  readonly #listen: HostAddress;
  readonly #reusePort: boolean;
  readonly #clock: Clock;
  readonly #guard: DescriptorGuard;
  readonly #slots = new HandshakeSlots(MAX_READING, MAX_READING_PER_ADDRESS);
  readonly #refused: Record<ListenerRefusal, number> = {
    denied: 0,
    descriptors: 0,
    host: 0,
    'proxy-header': 0,
    preface: 0,
  };
  readonly #guests = new Set<Guest>();
  #table = new HostTable<Guest>();
  #proxies = new AddressRanges('proxyFrom', []);
  #proxyFrom: readonly string[] = [];
  /** Who gets every visitor as it comes; undefined where some are read. */
  #direct: Guest | undefined;
  #listener: VisitorListener | undefined;
  #opening: Promise<void> | undefined;
  #held = false;
  #closed = false;

  /** @throws InvalidOptionError naming the option */
  constructor(options: PublicListenerOptions) {
    super('public');
    const { listen, reusePort, proxyFrom, clock } = checkOptions(publicListenerSchema, options);
    this.#listen = listenOption('listen', listen);
    this.#reusePort = reusePort;
    this.#clock = clock;
    this.#guard = new DescriptorGuard({
      who: 'visitors',
      spare: spareForVisitors,
      clock,
      onShort: (error) => this.tell('fault', { error }),
    });
    this.setProxyFrom(proxyFrom);
  }

  /** Where visitors connect; undefined while not listening. */
  get address(): HostAddress | undefined {
    return this.#listener?.address;
  }

  /** The proxies in front, as they were given. */
  get proxyFrom(): readonly string[] {
    return this.#proxyFrom;
  }

  stats(): PublicListenerStats {
    return { reading: this.#slots.size, refused: { ...this.#refused } };
  }

  /**
   * Listens, and keeps the port while tunnels come and go. A visitor whom none of them wants is turned away.
   *
   * @throws DialError when the address cannot be listened on
   */
  async start(): Promise<void> {
    this.#held = true;
    try {
      await this.#open();
    } catch (error) {
      this.#held = false;
      throw error;
    }
  }

  /** Lets nobody in any more, for good; who is with a tunnel stays. */
  close(): Promise<void> {
    this.#closed = true;
    this.#shut();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Trusts other proxies from the next visitor on.
   *
   * @throws InvalidOptionError for what is no address; then nothing has changed
   */
  setProxyFrom(proxyFrom: readonly string[]): void {
    const given = checkTexts('proxyFrom', proxyFrom);
    this.#proxies = new AddressRanges('proxyFrom', given);
    this.#proxyFrom = given;
    this.#choose();
  }

  /**
   * Gives tunnels that are here other hosts from the next visitor on, all of them at once.
   *
   * @param changes the hosts by tunnel; none: all that match nobody
   * @throws InvalidOptionError for `hosts` that are no names, that two tunnels here would have, or of a tunnel that has not
   *   started, or has its visitors elsewhere; then nothing has changed
   */
  setHosts(changes: ReadonlyMap<object, readonly string[]>): void {
    const read = new Map([...changes].map(([tunnel, hosts]) => [tunnel, readHosts('hosts', hosts)]));
    const here = new Set([...this.#guests].map(({ tunnel }) => tunnel));
    if (![...read.keys()].every((tunnel) => here.has(tunnel))) {
      throw new InvalidOptionError('hosts', 'wants tunnels that have started at this address');
    }
    const guests = [...this.#guests].map((guest) => [guest, read.get(guest.tunnel) ?? guest.hosts] as const);
    this.#table = new HostTable(guests);
    for (const [guest, hosts] of guests) guest.hosts = hosts;
    this.#choose();
  }

  /** Whether visitors are sent to a tunnel. @internal */
  has(guest: Guest): boolean {
    return this.#guests.has(guest);
  }

  /**
   * Lets visitors in to a tunnel.
   *
   * @throws InvalidOptionError for `hosts` that are another's, DialError when the address cannot be listened on; then
   *   nothing has changed
   * @internal
   */
  async join(guest: Guest): Promise<void> {
    this.#table = tableOf([...this.#guests, guest]);
    this.#guests.add(guest);
    this.#choose();
    try {
      await this.#open();
    } catch (error) {
      this.leave(guest);
      throw error;
    }
  }

  /** Sends no visitor to a tunnel any more. The last one closes the port, unless it was started. @internal */
  leave(guest: Guest): void {
    if (!this.#guests.delete(guest)) return;
    this.#table = tableOf(this.#guests);
    this.#choose();
    if (this.#guests.size === 0 && !this.#held) this.#shut();
  }

  /** @internal */
  onHeader(preface: Preface): void {
    const { named, rest } = this.#table;
    if (!named) this.#hand(preface, rest);
    else if (this.#allows(preface.ip)) preface.readHost();
    else this.#refuse(preface, 'denied');
  }

  /** @internal */
  onHost(preface: Preface, read: HostRead): void {
    this.#hand(preface, read.unclear ? undefined : this.#table.find(read.host), read);
  }

  /** @internal */
  onFault(preface: Preface, reason: PrefaceFault): void {
    // Not for those who are sent away because the port is closed.
    if (this.#listener !== undefined) this.#tellRefused(preface.remote, reason, this.#clock.now() - preface.startedAt);
  }

  #choose(): void {
    this.#direct = this.#proxies.empty && !this.#table.named ? this.#table.rest : undefined;
  }

  async #open(): Promise<void> {
    if (this.#closed) {
      const what = `cannot listen on ${formatAddress(this.#listen)}: its listener was closed; make a new one`;
      throw new DialError('connect', what);
    }
    if (this.#listener === undefined) {
      const onFault = (error: DialError): void => this.tell('fault', { error });
      const listener = new VisitorListener(this.#listen, this.#reusePort, this.#accept, onFault);
      this.#listener = listener;
      this.#opening = listener.start().then(
        () => {
          // Shut in the meantime.
          if (this.#listener !== listener) listener.close();
        },
        (error: unknown) => {
          if (this.#listener === listener) this.#listener = undefined;
          throw error;
        },
      );
    }
    await this.#opening;
  }

  #shut(): void {
    this.#held = false;
    this.#listener?.close();
    this.#listener = undefined;
    this.#slots.clear();
  }

  readonly #accept = (socket: Socket): void => {
    if (this.#direct === undefined) this.#receive(socket);
    else this.#direct.arrive(socket);
  };

  #receive(socket: Socket): void {
    const ip = socket.remoteAddress;
    // It has left already.
    if (ip === undefined) return breakOff(socket.on('error', ignore));
    const proxied = !this.#proxies.empty && this.#proxies.has(normaliseIp(ip));
    const { named, rest } = this.#table;
    if (!proxied && !named && rest !== undefined) return rest.arrive(socket);
    const refusal = this.#judge(socket, proxied ? undefined : ip);
    if (refusal === undefined) {
      void new Preface(socket, ip, proxied, { clock: this.#clock, slots: this.#slots }, this);
      return;
    }
    const remote = remoteOf(socket);
    breakOff(socket.on('error', ignore));
    this.#tellRefused(remote, refusal, 0);
  }

  /** Why nothing is read of a visitor; `ip` is undefined while it is not known. */
  #judge(socket: Socket, ip: string | undefined): ListenerRefusal | undefined {
    if (this.#guests.size === 0) return 'host';
    if (this.#guard.refuses(socket)) return 'descriptors';
    return ip === undefined || this.#allows(ip) ? undefined : 'denied';
  }

  /** Whether any tunnel's rules let that address in. */
  #allows(ip: string): boolean {
    for (const guest of this.#guests) if (guest.allows(ip)) return true;
    return false;
  }

  #hand(preface: Preface, guest: Guest | undefined, read?: HostRead): void {
    if (guest === undefined) this.#refuse(preface, 'host', read);
    else guest.arriveRead(preface.handOver(), preface.ends);
  }

  #refuse(preface: Preface, reason: ListenerRefusal, read?: HostRead): void {
    preface.refuse(read && answerTo(read));
    this.#tellRefused(preface.remote, reason, this.#clock.now() - preface.startedAt, read?.host);
  }

  #tellRefused(remote: string, reason: ListenerRefusal, waitedMs: number, detail?: string): void {
    this.#refused[reason] += 1;
    if (!this.heard('visitRefused')) return;
    this.tell('visitRefused', { remote, waitedMs, reason, error: new VisitorRefusedError(reason, detail) });
  }
}
