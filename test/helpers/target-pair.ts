/** Tunnels to several targets. */
import { systemClock } from '../../src/shared/clock.ts';
import type { TargetsOptions } from '../../src/shared/tunnel/tunnel-options.ts';
import type { VisitClosedEvent } from '../../src/shared/tunnel/visit-events.ts';
import { manualClock } from './clock.ts';
import { until } from './events.ts';
import { type PairOptions, startPair } from './pair.ts';

/** A reverse tunnel to several targets, which are not checked unless `targets` says so. */
export function startTargets(
  ports: readonly number[],
  targets: TargetsOptions = {},
  options: Partial<PairOptions> = {},
) {
  const tunnelClient = {
    target: ports.map((port) => ({ host: '127.0.0.1', port })),
    targets: { check: 'off' as const, ...targets },
    ...options.tunnelClient,
  };
  return startPair({ ...options, target: 1, client: { minCapacity: 4, ...options.client }, tunnelClient });
}

/** A pair whose exit's time the test drives. */
export async function startTimed(ports: readonly number[], targets?: TargetsOptions) {
  const time = manualClock();
  const tunnelClient = { clock: time.clock, connectTimeoutMs: 900 };
  const pair = await startTargets(ports, targets, { client: { clock: systemClock }, tunnelClient });
  const closed: VisitClosedEvent[] = [];
  pair.client.on('visitClosed', (event) => closed.push(event));
  const inUse = () =>
    pair.client
      .targetStats()
      .map((one) => one.inUse)
      .join(' ');
  return {
    pair,
    time,
    closed,
    at: (wanted: string) => until(() => inUse() === wanted, `visits are at ${wanted}, not ${inUse()}`),
  };
}
