/** What `/status` says: the same for the dashboard and `poold status`. Its shape is documented in docs/operations.md. */
import type {
  BalanceSnapshot,
  ListenerSnapshot,
  PublicSnapshot,
  TunnelSnapshot,
} from '../../shared/telemetry/snapshot.ts';

/** One of the processes that serve. */
export interface ProcessReport {
  /** `main`, or a worker's number. */
  readonly name: string;
  readonly memoryBytes: number;
  /** The share of time, from 0 to 1, that its event loop has had work to do since it was asked last. */
  readonly busy: number;
}

export interface Readiness {
  readonly ready: boolean;
  /** Why it is, or is not. */
  readonly reason: string;
}

export interface StatusReport extends Readiness {
  /** Of this shape: what is added later leaves it as it is. */
  readonly version: 1;
  /** poold's own. */
  readonly poold: string;
  readonly role: 'server' | 'client' | 'demo' | 'balance';
  /** When this was said, and when the process started; ISO 8601. */
  readonly at: string;
  readonly startedAt: string;
  readonly processes: readonly ProcessReport[];
  readonly tunnels: readonly TunnelSnapshot[];
  /** At a server: where clients connect. */
  readonly listeners: readonly ListenerSnapshot[];
  /** At a server: public addresses that several tunnels share. */
  readonly publics: readonly PublicSnapshot[];
  /** At a balancer, which has no tunnels. */
  readonly balancers?: readonly BalanceSnapshot[];
}

/** Something that an operator may want to know: a line of the log, from info level up. */
export interface Note {
  readonly at: string;
  readonly level: 'info' | 'warn' | 'error';
  readonly text: string;
  /** What the line says beside its text. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Whether all tunnels serve. A server is ready when it listens, a client when one of its servers is connected. */
export function readinessOf({
  tunnels,
  listeners,
  balancers = [],
}: Pick<StatusReport, 'tunnels' | 'listeners' | 'balancers'>): Readiness {
  const [balancer] = balancers;
  if (balancer !== undefined) return readinessOfBalancer(balancer);
  const all = tunnels.map(readinessOfOne);
  const reasons = [...new Set(all.map(({ reason }) => reason))].join('; ');
  // A server may have those tunnels alone that its clients open.
  const listening = listeners.some(({ listen }) => listen !== '');
  if (all.length === 0) return { ready: listening, reason: listening ? 'listening, no tunnels yet' : 'starting' };
  return all.find(({ ready }) => !ready) ?? { ready: true, reason: reasons };
}

function readinessOfBalancer({ ready, listen, servers }: BalanceSnapshot): Readiness {
  if (listen === undefined) return { ready: false, reason: 'not listening yet, or ending' };
  const up = servers.filter((server) => server.up).length;
  return { ready, reason: `listening, ${up} of ${servers.length} servers up` };
}

function readinessOfOne({ tunnel, side, ready, peers }: TunnelSnapshot): Readiness {
  const name = `tunnel ${tunnel}`;
  if (!ready) return { ready: false, reason: `${name}: not listening yet, or ending` };
  const here = peers.filter(({ idle, inUse }) => idle + inUse > 0);
  if (side === 'server') {
    const clients = here.length === 0 ? 'no client yet' : `${here.length} ${here.length === 1 ? 'client' : 'clients'}`;
    return { ready: true, reason: `${name}: listening, ${clients}` };
  }
  if (here.length > 0)
    return { ready: true, reason: `${name}: connected to ${here.length} of ${peers.length} servers` };
  const why = peers
    .map(({ peer, lastError }) => (lastError === undefined ? peer : `${peer} (${lastError})`))
    .join(', ');
  return { ready: false, reason: `${name}: no server is connected: ${why || 'none is known'}` };
}
