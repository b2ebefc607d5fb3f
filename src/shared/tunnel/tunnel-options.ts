import * as v from 'valibot';
import { type Clock, systemClock } from '../clock.ts';
import type { Address } from '../net/address.ts';
import { instance, milliseconds, wholeNumber } from '../options.ts';

/** What both ends of a tunnel may be told. The first three are the entrance's or the exit's, wherever that is. */
export interface TunnelOptions {
  /** How long a visitor waits for a connection before it is reset, ms. Default 5000. */
  readonly waitMs?: number;
  /** How long the other side may take to say anything about a visit, ms. Default 8000. */
  readonly openTimeoutMs?: number;
  /** How long the target may take to accept, ms. Default 5000. */
  readonly connectTimeoutMs?: number;
  /** A visit that is blocked and moved no byte for so long is reset, ms; 0 never. Default 600000. */
  readonly stallTimeoutMs?: number;
  readonly clock?: Clock;
}

export const tunnelOptions = {
  waitMs: v.optional(milliseconds(), 5000),
  openTimeoutMs: v.optional(milliseconds(1), 8000),
  connectTimeoutMs: v.optional(milliseconds(1), 5000),
  stallTimeoutMs: v.optional(milliseconds(), 600_000),
  clock: v.optional(instance<Clock>('a clock'), () => systemClock),
};

/** A place to listen on: `host:port`, or the two apart. */
export const listenSchema = v.optional(
  v.union([v.string(), v.object({ host: v.string(), port: wholeNumber(0, 65535) })], 'wants host:port'),
);

/** A service: a text, or an address. */
export const targetSchema = v.optional(
  v.custom<string | Address>(
    (value) => typeof value === 'string' || (typeof value === 'object' && value !== null),
    'wants host:port, a port, or unix:/path',
  ),
);
