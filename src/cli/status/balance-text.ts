/** A balancer's part of a status report, for a terminal. Pure. */
import { between, quantile } from '../../shared/telemetry/histogram.ts';
import type { BalanceSnapshot } from '../../shared/telemetry/snapshot.ts';
import { bytesText, msText, numberText } from '../admin/format.ts';
import { table } from './table.ts';

/** @param then an earlier one: rates are from there to here, `seconds` later */
export function balanceText(now: BalanceSnapshot, then: BalanceSnapshot | undefined, seconds: number): string {
  const { requests, clients, bytes, refused, servers, times, listen } = now;
  const rate = then === undefined ? '' : `, ${numberText((requests.opened - then.requests.opened) / seconds)}/s`;
  const took = then === undefined ? times.request : between(then.times.request, times.request);
  const [p50, p99] = [quantile(took, 0.5), quantile(took, 0.99)];
  const answers = Object.entries(requests.answers).filter(([, count]) => count > 0);
  const { answered: _, upgraded: __, ...failed } = requests.closed;
  const trouble = Object.entries({ ...failed, retried: requests.retries, ...refused }).filter(([, count]) => count > 0);
  const words = (counts: [string, number][]): string =>
    counts.map(([word, count]) => `${word} ${numberText(count)}`).join(', ') || 'none';
  const lines: [string, string][] = [
    ['clients', `${numberText(clients)} connected`],
    ['requests', `${requests.on} on, ${requests.waiting} waiting, ${numberText(requests.opened)} begun${rate}`],
    ['answers', words(answers)],
    ['bodies', `${bytesText(bytes.received)} received; ${bytesText(bytes.sent)} sent`],
    ...(p50 === undefined || p99 === undefined
      ? []
      : [['took', `p50 ${msText(p50)}, p99 ${msText(p99)}`] as [string, string]]),
    ['trouble', words(trouble)],
  ];
  const rows = servers.map(({ server, up, inUse, total, failed: lost }) => [
    server,
    up ? 'up' : 'DOWN',
    numberText(inUse),
    numberText(total),
    numberText(lost),
  ]);
  const facts = lines.map(([name, text]) => `  ${name.padEnd(8)} ${text}`);
  const servings = table(['server', 'health', 'requests', 'so far', 'failed'], rows);
  return ['', `balancer at ${listen ?? 'no address'}`, ...facts, ...servings].join('\n');
}
