import * as v from 'valibot';
import { InvalidOptionError } from '../errors.ts';
import { AddressRules } from '../net/address-rules.ts';
import { checkOptions, wholeNumber } from '../options.ts';
import type { RateLimit } from '../policy/token-bucket.ts';

/**
 * Who may come in. Each process judges and counts the visitors that it accepts; IPv6 addresses count by /64, which is
 * what one customer has.
 */
export interface VisitorsOptions {
  /** Addresses and CIDRs, IPv4 and IPv6, that may come in; empty: everyone. Default empty. */
  readonly allow?: readonly string[];
  /** Those that may not, even where `allow` names them. Default empty. */
  readonly deny?: readonly string[];
  /** The most visitors at a time, those who wait for a connection among them. Default 4096. */
  readonly maxVisitors?: number;
  /** The same from one address. Default 1024. */
  readonly maxVisitorsPerAddress?: number;
  /** New visitors from one address, with datagrams new flows, each second; 0 does not limit them. Default 0. */
  readonly visitorRate?: number;
  /** So many may come at once before the rate holds. Default: those of a second. */
  readonly visitorBurst?: number;
}

/**
 * As many as a server's pool has connections for. Each has two descriptors and some 50 kB at most while it moves little:
 * a machine of 512 MB and a limit of 10,000 files carry them.
 */
const DEFAULT_MAX_VISITORS = 4096;

/**
 * A quarter of all: no address alone keeps the others out, and an office behind one address (170 browsers of six
 * connections) or a proxy in front is not locked out.
 */
const DEFAULT_MAX_PER_ADDRESS = 1024;

/** Checked, and ready to judge by. */
export interface GateRules {
  readonly addresses: AddressRules;
  readonly maxVisitors: number;
  readonly maxVisitorsPerAddress: number;
  /** Undefined without a limit. */
  readonly rate: RateLimit | undefined;
}

const entries = () => v.optional(v.array(v.string('wants texts'), 'wants a list'), []);

const schema = v.strictObject({
  allow: entries(),
  deny: entries(),
  maxVisitors: v.optional(wholeNumber(1, 1_000_000), DEFAULT_MAX_VISITORS),
  maxVisitorsPerAddress: v.optional(wholeNumber(1, 1_000_000), DEFAULT_MAX_PER_ADDRESS),
  visitorRate: v.optional(wholeNumber(0, 1_000_000), 0),
  visitorBurst: v.optional(wholeNumber(1, 1_000_000)),
});

/** @throws InvalidOptionError for what holds no rules: a list is no object of options, though JavaScript has it so */
export function wantRules(given: unknown): void {
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) return;
  throw new InvalidOptionError('visitors', 'wants an object, as in { maxVisitors: 100 }');
}

/** @throws InvalidOptionError for `visitors`, naming what is wrong in it */
export function visitorRules(given: VisitorsOptions): GateRules {
  wantRules(given);
  const { allow, deny, maxVisitors, maxVisitorsPerAddress, visitorRate, visitorBurst } = checkOptions(
    schema,
    given,
    'visitors',
  );
  if (visitorRate === 0 && visitorBurst !== undefined) {
    throw new InvalidOptionError('visitors.visitorBurst', 'has no effect without visitorRate');
  }
  const addresses = new AddressRules({ allow, deny, names: { allow: 'visitors.allow', deny: 'visitors.deny' } });
  const rate = visitorRate === 0 ? undefined : { perSecond: visitorRate, burst: visitorBurst ?? visitorRate };
  return { addresses, maxVisitors, maxVisitorsPerAddress, rate };
}

/** @throws InvalidOptionError for rules about visitors where visits go out instead of in */
export function refuseVisitors(given: VisitorsOptions | undefined): void {
  if (given === undefined) return;
  wantRules(given);
  const [option] = Object.keys(given);
  if (option === undefined) return;
  throw new InvalidOptionError(`visitors.${option}`, 'has no effect here: visitors come in at the other side');
}
