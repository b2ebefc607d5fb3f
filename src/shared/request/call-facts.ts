/** What a request has of its own, and what of its client. */
import { InvalidOptionError } from '../errors.ts';
import { checkOptions, milliseconds } from '../options.ts';
import type { CheckedRequestOptions, RequestOptions } from './request-options.ts';

/** What does not change about a call. Times are the client's clock, ms; Infinity is never. */
export interface CallFacts<Req> {
  readonly request: Req;
  readonly idempotent: boolean;
  /** For each try. */
  readonly timeoutMs: number;
  /** For all tries. */
  readonly totalTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

const limit = milliseconds();

const KNOWN: ReadonlySet<string> = new Set<keyof RequestOptions>([
  'idempotent',
  'timeoutMs',
  'totalTimeoutMs',
  'signal',
]);

/** @throws InvalidOptionError naming the option, or what the client's `idempotent` throws */
export function factsOf<Req>(
  request: Req,
  given: RequestOptions,
  client: Pick<CheckedRequestOptions<Req, unknown>, 'idempotent' | 'timeoutMs' | 'totalTimeoutMs'>,
): CallFacts<Req> {
  for (const option in given) if (!KNOWN.has(option)) throw new InvalidOptionError(option, 'unknown option');
  return {
    request,
    idempotent: given.idempotent ?? client.idempotent(request),
    timeoutMs: limitOf('timeoutMs', given, client),
    totalTimeoutMs: limitOf('totalTimeoutMs', given, client),
    signal: given.signal,
  };
}

/** A time-out as calls have it; the client's is checked already. */
function limitOf(
  option: 'timeoutMs' | 'totalTimeoutMs',
  { [option]: own }: RequestOptions,
  { [option]: common }: Readonly<Record<typeof option, number>>,
): number {
  const ms = own === undefined ? common : checkOptions(limit, own, option);
  return ms === 0 ? Infinity : ms;
}
