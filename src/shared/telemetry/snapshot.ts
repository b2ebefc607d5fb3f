/** The numbers of one end of a tunnel at one moment: plain data, the same for metrics, status and dashboard. */
import type { BalancerStats } from '../../balancer/balancer-stats.ts';
import type { CloseReason } from '../close-reason.ts';
import type { DialStage } from '../errors.ts';
import type { RelayEnd } from '../relay/relay.ts';
import type { BreakerState } from '../resilience/breaker.ts';
import type { BandwidthStats } from '../tunnel/bandwidth.ts';
import type { DatagramStats } from '../tunnel/datagram-stats.ts';
import type { RefusalReason } from '../tunnel/refusal.ts';
import type { TargetStats } from '../tunnel/targets.ts';
import type { HistogramCounts } from './histogram.ts';

/** How often each word came. What never came is left out. */
export type Counts<K extends string> = { readonly [word in K]?: number };

/** Which end of the tunnel this is, and which way its visitors go. */
export type Side = 'server' | 'client';
type Flow = 'reverse' | 'forward';

/** Connections as they are now. */
export interface Levels {
  readonly idle: number;
  readonly inUse: number;
  readonly connecting: number;
  /** The wanted number of idle connections; at a server, which dials nobody, its maximum. */
  readonly capacity: number;
  readonly max: number;
  /** Pause between two rounds of dialling, ms; 0 at a server. */
  readonly intervalMs: number;
  /** Acquires that wait. */
  readonly waiting: number;
}

/** The other end: a client at a server, a server at a client, which has all the levels. */
export interface PeerSnapshot extends Partial<Levels> {
  readonly idle: number;
  readonly inUse: number;
  /** The client's ID, or the server's address as it was given. */
  readonly peer: string;
  /** At a server: where the client's latest connection came from, `ip:port`. */
  readonly remote?: string | undefined;
  /** Since when it has had connections without a break, ISO 8601; undefined while it has none. */
  readonly since?: string | undefined;
  /** Visits so far, and their payload bytes, those that are on among them. */
  readonly visits: number;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  /** At a client: whether the server is connected, its circuit breaker, and what went wrong last. */
  readonly healthy?: boolean | undefined;
  readonly breaker?: BreakerState | undefined;
  readonly lastError?: string | undefined;
}

/** Where the clients of a server's tunnels connect. */
export interface ListenerSnapshot {
  /** Its address; empty before it listens. */
  readonly listen: string;
  /** Connections that have proved nothing yet. */
  readonly arriving: number;
  /** Addresses that have guessed too often, and are judged slowly. */
  readonly slowedAddresses: number;
  /** Connections turned away before they were pooled, by error code. */
  readonly handshakesFailed: Counts<string>;
}

/** A public address that several tunnels of a server share. */
export interface PublicSnapshot {
  readonly listen: string;
  /** Visitors of whom it is not known yet who they are or whom they want. */
  readonly reading: number;
  /** Visitors turned away who were no tunnel's yet. */
  readonly refused: Counts<string>;
}

/** A balancer of HTTP requests. */
export interface BalanceSnapshot extends BalancerStats {
  /** Whether it listens, and a server is up. */
  readonly ready: boolean;
  readonly times: {
    /** How long requests took that are over, upgraded ones among them. */
    readonly request: HistogramCounts;
  };
}

export interface TunnelSnapshot {
  readonly tunnel: string;
  readonly side: Side;
  readonly flow: Flow;
  /** Whether visits are taken: true from the start to the close. */
  readonly ready: boolean;
  /** Where visitors connect; undefined where they do not. */
  readonly entrance: string | undefined;
  /** At a server: where clients connect. */
  readonly listen: string | undefined;
  readonly connections: Levels & { readonly opened: number; readonly closed: Counts<CloseReason> };
  readonly visits: {
    /** Those that are on now. */
    readonly on: number;
    readonly opened: number;
    readonly closed: Counts<RelayEnd>;
    readonly refused: Counts<RefusalReason>;
  };
  /** Payload bytes from and to the other end, of all visits so far; those of visits that are on move with them. */
  readonly bytes: { readonly received: number; readonly sent: number };
  /** At a client. */
  readonly dials: { readonly made: number; readonly failed: Counts<DialStage> };
  readonly errors: number;
  readonly times: {
    /** How long visitors who were served have waited for a connection. Where they come in. */
    readonly wait: HistogramCounts;
    /** How long dials took that succeeded. At a client. */
    readonly dial: HistogramCounts;
    /** How long visits were that are over. */
    readonly visit: HistogramCounts;
  };
  readonly peers: readonly PeerSnapshot[];
  readonly targets: readonly TargetStats[];
  /** Flows and datagrams; where the protocol is `udp`. */
  readonly datagrams?: DatagramStats | undefined;
  /** The limits of the bandwidth, where there are any. */
  readonly bandwidth?: BandwidthStats | undefined;
}
