/** How many bytes a second the visits of a tunnel may move, all together and in each direction. */
import * as v from 'valibot';
import type { Clock } from '../clock.ts';
import type { RelayVisit } from '../relay/relay.ts';
import type { Visit } from '../session/visit.ts';
import { BandwidthGate } from './bandwidth-gate.ts';
import { ThrottledVisit } from './throttled-visit.ts';

/**
 * What all visits of a tunnel may move together, in each process. Either end may have limits of its own. Visitors' bytes
 * wait for their turn, and with datagrams what is too much is dropped.
 */
export interface BandwidthOptions {
  /** From visitors to the target, bytes each second, at least 1024; 0 without limit. Default 0. */
  readonly upload?: number;
  /** From the target to visitors. Default 0. */
  readonly download?: number;
}

/** A limit's numbers, a snapshot. */
export interface LimitStats {
  readonly bytesPerSecond: number;
  /** For how long somebody has waited so far, ms. */
  readonly throttledMs: number;
}

/** The numbers of the limits that there are. */
export interface BandwidthStats {
  readonly upload?: LimitStats;
  readonly download?: LimitStats;
}

/** Below it a single read would wait for more than a minute, bytes each second. */
const MIN_BYTES_PER_SECOND = 1024;

const wanted = `wants bytes each second, a whole number: 0, or at least ${MIN_BYTES_PER_SECOND}`;
const rate = v.optional(
  v.pipe(
    v.number(wanted),
    v.safeInteger(wanted),
    v.check((bytes) => bytes === 0 || bytes >= MIN_BYTES_PER_SECOND, wanted),
  ),
  0,
);

export const bandwidthSchema = v.optional(v.strictObject({ upload: rate, download: rate }), {});

/** A visit as it is relayed: itself, or under the tunnel's limits. */
export type RelayedVisit = RelayVisit & Pick<Visit, 'client' | 'bytesIn' | 'bytesOut'>;

export class Bandwidth {
  readonly upload: BandwidthGate | undefined;
  readonly download: BandwidthGate | undefined;

  /** Made by {@link makeBandwidth}. */
  constructor({ upload = 0, download = 0 }: BandwidthOptions, clock: Clock) {
    if (upload > 0) this.upload = new BandwidthGate(upload, clock);
    if (download > 0) this.download = new BandwidthGate(download, clock);
  }

  /** A visit where visitors come in. */
  entering(visit: Visit): ThrottledVisit {
    return new ThrottledVisit(visit, this.upload, this.download);
  }

  /** A visit where visits go out. */
  leaving(visit: Visit): ThrottledVisit {
    return new ThrottledVisit(visit, this.download, this.upload);
  }

  stats(): BandwidthStats {
    const { upload, download } = this;
    return { ...(upload && { upload: statsOf(upload) }), ...(download && { download: statsOf(download) }) };
  }
}

/** The limits of a tunnel; undefined where there are none, so that its visits have nothing to do with them. */
export function makeBandwidth(options: BandwidthOptions, clock: Clock): Bandwidth | undefined {
  return (options.upload ?? 0) + (options.download ?? 0) === 0 ? undefined : new Bandwidth(options, clock);
}

function statsOf({ bytesPerSecond, throttledMs }: BandwidthGate): LimitStats {
  return { bytesPerSecond, throttledMs };
}
