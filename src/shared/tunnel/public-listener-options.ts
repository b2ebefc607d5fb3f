/** What a public listener may be told, and what it tells. */
import * as v from 'valibot';
import { type Clock, systemClock } from '../clock.ts';
import type { PooldError, VisitorRefusedError } from '../errors.ts';
import type { HostAddress } from '../net/address.ts';
import { checkOptions, instance, wholeNumber } from '../options.ts';
import type { PrefaceFault } from './preface.ts';
import type { VisitRefusedEvent } from './visit-events.ts';

/** Options of a public listener. */
export interface PublicListenerOptions {
  /** Where visitors connect, `host:port`; port 0 takes a free one. */
  readonly listen: string | HostAddress;
  /** Lets other processes listen on the same port, where Node can (22.12 and later); the system spreads visitors. */
  readonly reusePort?: boolean;
  /**
   * Addresses and CIDRs of proxies in front. Each connection from there must begin with a header of the PROXY protocol,
   * version 1 or 2, which says who the visitor is; any other is taken as it is. Default: none.
   */
  readonly proxyFrom?: readonly string[];
  readonly clock?: Clock;
}

/** Why a visitor is turned away before it is any tunnel's. */
export type ListenerRefusal = PrefaceFault | 'denied' | 'descriptors' | 'host';

/** A visitor was turned away who was no tunnel's yet. */
export interface PublicRefusedEvent extends VisitRefusedEvent {
  readonly reason: ListenerRefusal;
  readonly error: VisitorRefusedError;
}

export interface PublicListenerEventMap {
  visitRefused: [PublicRefusedEvent];
  fault: [{ readonly error: PooldError }];
}

/** A listener's numbers, a snapshot. */
export interface PublicListenerStats {
  /** Visitors of whom it is not known yet who they are or whom they want. */
  readonly reading: number;
  /** How many were turned away since the start who were no tunnel's yet, by reason. */
  readonly refused: Readonly<Record<ListenerRefusal, number>>;
}

const texts = v.array(v.string('wants texts'), 'wants a list');

export const publicListenerSchema = v.strictObject({
  listen: v.union([v.string(), v.object({ host: v.string(), port: wholeNumber(0, 65535) })], 'wants host:port'),
  reusePort: v.optional(v.boolean('wants true or false'), false),
  proxyFrom: v.optional(texts, []),
  clock: v.optional(instance<Clock>('a clock'), () => systemClock),
});

/** Options that are lists of texts: `hosts`, `proxyFrom`. */
export const textsOption = v.optional(texts);

/** @throws InvalidOptionError for what is no list of texts */
export function checkTexts(option: string, given: unknown): readonly string[] {
  const { [option]: list = [] } = checkOptions(v.strictObject({ [option]: texts }), { [option]: given });
  return list;
}
