/** Finds the servers behind names in the DNS, and tells when they change. */
import { Resolver } from 'node:dns/promises';
import * as v from 'valibot';
import { type Clock, systemClock, type Timer } from '../clock.ts';
import { DiscoveryError, InvalidOptionError, reasonOf } from '../errors.ts';
import { throwLater } from '../events.ts';
import { formatAddress, type HostAddress } from '../net/address.ts';
import { callback, checkOptions, instance, milliseconds } from '../options.ts';
import { Backoff } from '../resilience/backoff.ts';
import { MAX_SERVERS, NameLookup, type NameResolver } from './name-lookup.ts';
import { formatServerSpec, parseServerSpec, type ServerSpec } from './server-spec.ts';

/** The longest first pause after a failure, and the longest of all, ms. */
const RETRY_BASE_MS = 1000;
const RETRY_MAX_MS = 30_000;

/** Options of a {@link Discovery}. `specs` and `onNodes` are required. */
export interface DiscoveryOptions {
  /**
   * `host:port`, `dns:host:port` (all its A and AAAA addresses, 64 at most) or `srv:_name._tcp.domain`, in order of preference; or
   * what `parseServerSpec` has made of them.
   */
  readonly specs: readonly (string | ServerSpec)[];
  /**
   * Hears of all servers, whenever they are others than before: in the order of the specs, those of a service by
   * priority (weights are not looked at), IPv4 before IPv6.
   */
  readonly onNodes: (addresses: readonly HostAddress[]) => void;
  /** Hears of each failure, and once of a name that has more servers than are taken. */
  readonly onFault?: (error: DiscoveryError) => void;
  /** Hears that a name is answered again after failures. */
  readonly onRecovered?: (spec: string) => void;
  /**
   * Who asks the DNS; cancelled by {@link Discovery.stop}. Default: one of its own of `node:dns`, which asks the system's
   * servers, and does not look into the hosts file.
   */
  readonly resolver?: NameResolver;
  /** The least and the most time from one lookup to the next, ms, whatever the TTL. Default 5000 and 300000. */
  readonly minTtlMs?: number;
  readonly maxTtlMs?: number;
  /** Time, for tests. */
  readonly clock?: Clock;
  /** Random numbers in [0, 1), for the pauses after failures. */
  readonly random?: () => number;
}

const schema = v.strictObject({
  specs: v.array(
    v.union([v.string(), v.custom<ServerSpec>((spec) => typeof spec === 'object' && spec !== null)], 'wants texts'),
    'wants a list of servers',
  ),
  onNodes: callback<(addresses: readonly HostAddress[]) => void>(),
  onFault: v.optional(callback<(error: DiscoveryError) => void>()),
  onRecovered: v.optional(callback<(spec: string) => void>()),
  resolver: v.optional(instance<NameResolver>('a resolver'), () => new Resolver()),
  minTtlMs: v.optional(milliseconds(1), 5000),
  maxTtlMs: v.optional(milliseconds(1), 300_000),
  clock: v.optional(instance<Clock>('a clock'), () => systemClock),
  random: v.optional(callback<() => number>(), () => Math.random),
});

/** One spec and what is known of it. */
interface Source {
  readonly text: string;
  readonly lookup: NameLookup | undefined;
  readonly backoff: Backoff;
  addresses: readonly HostAddress[];
  /** It has been told that the name has more servers than are taken. */
  toldMore: boolean;
  timer: Timer | undefined;
}

/**
 * Each name is looked up at once, and again when the smallest TTL of its records is over. After a failure the last known
 * answer stays, and the pauses grow up to half a minute; a name that has no records any more counts as a failure. Its
 * timers keep the process alive until {@link stop}.
 */
export class Discovery {
  readonly #options: v.InferOutput<typeof schema>;
  /** By what they are written as: a name that is given twice is looked up once. */
  readonly #sources: ReadonlyMap<string, Source>;
  /** The present start; a lookup of an earlier one comes too late. */
  #run: object | undefined;
  #told = '';

  /** @throws InvalidOptionError naming the option */
  constructor(options: DiscoveryOptions) {
    this.#options = checkOptions(schema, options);
    const { specs, minTtlMs, maxTtlMs } = this.#options;
    if (minTtlMs > maxTtlMs) throw new InvalidOptionError('minTtlMs', `${minTtlMs} is above maxTtlMs ${maxTtlMs}`);
    const sources = specs.map((spec) => this.#source(typeof spec === 'string' ? parsed(spec) : spec));
    this.#sources = new Map(sources.map((source) => [source.text, source]));
  }

  /** All servers that are known, each once. */
  get addresses(): readonly HostAddress[] {
    const all = [...this.#sources.values()].flatMap(({ addresses }) => addresses);
    return [...new Map(all.map((address) => [formatAddress(address), address])).values()];
  }

  /** The servers of one spec, as far as they are known. */
  addressesOf(spec: ServerSpec): readonly HostAddress[] {
    return this.#sources.get(formatServerSpec(spec))?.addresses ?? [];
  }

  /** Tells the fixed addresses, and looks the names up. Does nothing when it is running. */
  start(): void {
    if (this.#run !== undefined) return;
    const run = {};
    this.#run = run;
    this.#tell();
    for (const source of this.#sources.values()) {
      if (source.lookup !== undefined) void this.#look(source, source.lookup, run);
    }
  }

  /** Nothing is told any more, and what is being asked is given up: a silent DNS holds no process. */
  stop(): void {
    if (this.#run === undefined) return;
    this.#run = undefined;
    for (const { timer } of this.#sources.values()) this.#options.clock.clearTimeout(timer);
    guarded(() => this.#options.resolver.cancel?.());
  }

  #source(spec: ServerSpec): Source {
    const { resolver, random } = this.#options;
    const fixed = spec.kind === 'fixed';
    return {
      text: formatServerSpec(spec),
      lookup: fixed ? undefined : new NameLookup(spec, resolver),
      backoff: new Backoff({ baseMs: RETRY_BASE_MS, random }),
      addresses: fixed ? [spec.address] : [],
      toldMore: false,
      timer: undefined,
    };
  }

  async #look(source: Source, lookup: NameLookup, run: object): Promise<void> {
    const { addresses, more, ttlMs, faults } = await lookup.resolve();
    if (this.#run !== run) return;
    const { minTtlMs, maxTtlMs, clock, onFault, onRecovered } = this.#options;
    source.addresses = addresses;
    let pauseMs = Math.min(Math.max(ttlMs, minTtlMs), maxTtlMs);
    const recovered = faults.length === 0 && source.backoff.attempt > 0;
    if (faults.length === 0) source.backoff.reset();
    else pauseMs = Math.min(pauseMs, source.backoff.next(RETRY_MAX_MS));
    source.timer = clock.setTimeout(() => void this.#look(source, lookup, run), pauseMs);
    const fault = (cause: unknown): void =>
      guarded(() => onFault?.(new DiscoveryError(source.text, addresses.length, pauseMs, cause)));
    if (faults.length > 0) fault(faults.length === 1 ? faults[0] : new AggregateError(faults));
    if (more && !source.toldMore) fault(new Error(`it has more than ${MAX_SERVERS} servers; the others are left out`));
    source.toldMore = more;
    if (recovered) guarded(() => onRecovered?.(source.text));
    this.#tell();
  }

  #tell(): void {
    // Whose each is matters too: for whoever has other servers in between.
    const all = [...this.#sources.values()].flatMap(({ addresses }, at) =>
      addresses.map((address) => `${at} ${formatAddress(address)}`),
    );
    const text = all.join();
    if (this.#run === undefined || text === this.#told) return;
    this.#told = text;
    guarded(() => this.#options.onNodes(this.addresses));
  }
}

/** @throws InvalidOptionError */
function parsed(text: string): ServerSpec {
  try {
    return parseServerSpec(text);
  } catch (cause) {
    throw new InvalidOptionError('specs', reasonOf(cause), { cause });
  }
}

/** A listener that throws breaks nothing here. */
function guarded(listener: () => void): void {
  try {
    listener();
  } catch (error) {
    throwLater(error);
  }
}
