/** A status report as a table for a terminal. Pure: text in, text out. */
import { between, quantile } from '../../shared/telemetry/histogram.ts';
import type {
  ListenerSnapshot,
  PeerSnapshot,
  PublicSnapshot,
  TunnelSnapshot,
} from '../../shared/telemetry/snapshot.ts';
import type { StatusReport } from '../admin/report.ts';
import type { LimitStats } from '../../shared/tunnel/bandwidth.ts';
import { bytesText, msText, numberText, spanText } from '../admin/format.ts';
import { balanceText } from './balance-text.ts';
import { table } from './table.ts';

/** @param before an earlier report: rates are from there to here; without it there are totals alone */
export function statusText(report: StatusReport, before: StatusReport | undefined): string {
  const at = Date.parse(report.at);
  const up = spanText(at - Date.parse(report.startedAt));
  const memory = bytesText(report.processes.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0));
  const head = `poold ${report.role} ${report.poold}, up for ${up}, ${memory} of memory`;
  const ready = `${report.ready ? 'ready' : 'NOT READY'}: ${report.reason}`;
  const seconds = before === undefined ? 0 : (at - Date.parse(before.at)) / 1000;
  const tunnels = report.tunnels.map((tunnel) => {
    const then = before?.tunnels.find((one) => one.tunnel === tunnel.tunnel && one.side === tunnel.side);
    return tunnelText(tunnel, seconds > 0 ? then : undefined, seconds, at);
  });
  const balancers = (report.balancers ?? []).map((balancer, at) =>
    balanceText(balancer, seconds > 0 ? before?.balancers?.[at] : undefined, seconds),
  );
  const addresses = [...report.listeners.map(listenerText), ...report.publics.map(publicText)];
  return [head, ready, ...addresses, ...tunnels, ...balancers].join('\n') + '\n';
}

function tunnelText(now: TunnelSnapshot, then: TunnelSnapshot | undefined, seconds: number, at: number): string {
  const { connections, visits, bytes, times, side, flow } = now;
  const { idle, inUse, connecting, capacity, waiting, max } = connections;
  const wanted = side === 'client' ? `, ${capacity} wanted idle` : '';
  const rate = (of: (one: TunnelSnapshot) => number): number => (then && (of(now) - of(then)) / seconds) ?? 0;
  const perSecond = (text: (value: number) => string, of: (one: TunnelSnapshot) => number): string =>
    then === undefined ? '' : `, ${text(Math.max(0, rate(of)))}/s`;
  const waits = then === undefined ? times.wait : between(then.times.wait, times.wait);
  const [p50, p99] = [quantile(waits, 0.5), quantile(waits, 0.99)];
  const lines: [string, string][] = [
    ['pool', `${idle} idle, ${inUse} in use, ${connecting} connecting${wanted}, at most ${max}; ${waiting} waiting`],
    [
      'visits',
      `${visits.on} on, ${numberText(visits.opened)} begun${perSecond(numberText, (one) => one.visits.opened)}`,
    ],
    [
      'payload',
      `${bytesText(bytes.received)} received${perSecond(bytesText, (one) => one.bytes.received)}; ` +
        `${bytesText(bytes.sent)} sent${perSecond(bytesText, (one) => one.bytes.sent)}`,
    ],
    ...datagramLines(now),
    ...limitLines(now),
    ...(p50 === undefined || p99 === undefined
      ? []
      : [['wait', `p50 ${msText(p50)}, p99 ${msText(p99)}`] as [string, string]]),
    ['trouble', troubleText(now)],
  ];
  const peers = table(
    side === 'server'
      ? ['client', 'from', 'idle', 'in use', 'since', 'visits', 'received', 'sent']
      : ['server', 'health', 'breaker', 'idle', 'in use', 'since', 'visits', 'received', 'sent'],
    now.peers.map((peer) => peerCells(side, peer, at)),
  );
  const targets = table(
    ['target', 'health', 'visits', 'so far', 'failed', 'warm'],
    now.targets.map(({ target, up, inUse: there, total, failed, warm }) => [
      target,
      up ? 'up' : 'DOWN',
      ...[there, total, failed, warm].map(numberText),
    ]),
  );
  const facts = lines.map(([name, text]) => `  ${name.padEnd(8)} ${text}`);
  return ['', `tunnel ${now.tunnel} (${side}'s end, ${flow})`, ...facts, ...peers, ...targets].join('\n');
}

function publicText({ listen, reading, refused }: PublicSnapshot): string {
  const counts = Object.entries(refused).map(([reason, count]) => `${reason} ${numberText(count ?? 0)}`);
  return `visitors at ${listen}: ${reading} being read; turned away: ${counts.join(', ') || 'none'}`;
}

function listenerText({ listen, arriving, slowedAddresses, handshakesFailed }: ListenerSnapshot): string {
  const failed = Object.entries(handshakesFailed).map(([code, count]) => `${code} ${numberText(count ?? 0)}`);
  const slowed = slowedAddresses === 0 ? '' : `, ${numberText(slowedAddresses)} addresses slowed`;
  return `clients at ${listen}: ${arriving} arriving${slowed}; turned away: ${failed.join(', ') || 'none'}`;
}

function datagramLines({ datagrams }: TunnelSnapshot): [string, string][] {
  if (datagrams === undefined) return [];
  const { flows, flowsTotal, datagramsIn, datagramsOut } = datagrams;
  const [on, begun, received, sent] = [flows, flowsTotal, datagramsIn, datagramsOut].map(numberText);
  return [['flows', `${on} on, ${begun} begun; ${received} datagrams received, ${sent} sent`]];
}

function limitLines({ bandwidth = {} }: TunnelSnapshot): [string, string][] {
  const texts = Object.entries(bandwidth as Readonly<Record<string, LimitStats>>).map(
    ([direction, { bytesPerSecond, throttledMs }]) =>
      `${direction} ${bytesText(bytesPerSecond)}/s, held back for ${spanText(throttledMs)}`,
  );
  return texts.length === 0 ? [] : [['limits', texts.join('; ')]];
}

function troubleText({ visits, dials, connections, datagrams }: TunnelSnapshot): string {
  const { done: _, ...broken } = visits.closed;
  const kinds: [string, Readonly<Record<string, number | undefined>>][] = [
    ['visits', broken],
    ['refused', visits.refused],
    ['dials', dials.failed],
    ['connections', connections.closed],
    ['dropped', { ...datagrams?.dropped }],
  ];
  const texts = kinds.flatMap(([kind, counts]) =>
    Object.entries(counts).flatMap(([word, count = 0]) => (count === 0 ? [] : `${kind} ${word} ${numberText(count)}`)),
  );
  return texts.length === 0 ? 'none' : texts.join(', ');
}

function peerCells(side: TunnelSnapshot['side'], peer: PeerSnapshot, at: number): string[] {
  const { since, visits, bytesReceived, bytesSent, healthy, lastError, breaker } = peer;
  const names =
    side === 'server'
      ? [peer.peer.slice(0, 8), peer.remote ?? '-']
      : [peer.peer, healthy === false ? (lastError ?? 'not connected') : 'connected', breaker ?? '-'];
  const age = since === undefined ? '-' : spanText(at - Date.parse(since));
  return [...names, ...[peer.idle, peer.inUse].map(numberText), age, numberText(visits)].concat(
    [bytesReceived, bytesSent].map(bytesText),
  );
}
