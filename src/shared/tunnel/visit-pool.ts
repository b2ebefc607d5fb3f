/** What the pools of both sides have in common: visits are opened on their connections, or served. */
import { InvalidOptionError, PooldError, ProtocolError, reasonOf } from '../errors.ts';
import { ConnectionPool } from '../pool/connection-pool.ts';
import type { GroupFilter } from '../pool/idle-list.ts';
import type { Lease } from '../pool/lease.ts';
import type { PoolOptions } from '../pool/pool-options.ts';
import type { WaitOptions } from '../pool/waiter.ts';
import { DatagramVisit } from '../session/datagram-visit.ts';
import { Session } from '../session/session.ts';
import type { Visit } from '../session/visit.ts';
import { isAddress } from '../wire/fields.ts';
import { ResetCode } from '../wire/frame.ts';
import type { OpenInfo } from '../wire/messages.ts';
import type { PooledConnection } from './pooled-connection.ts';

/** Where a visitor comes from and what it connected to; what the other side is told with OPEN. */
export type VisitorInfo = Pick<OpenInfo, 'remote' | 'local'>;

/** Serves a visit that the other side opened: accepts it, or resets it. */
export type VisitListener = (visit: Visit, session: Session) => void;

/** The same for a visit of datagrams, whose flows are still to come. */
export type DatagramListener = (visit: DatagramVisit, session: Session) => void;

/** Opens a visit on a lease's connection, which goes back by itself when the visit is over. */
export function openOn(lease: Lease<PooledConnection<boolean>>, tunnel: string, { remote, local }: VisitorInfo): Visit {
  const visit = sessionOf(lease).open({ protocol: 'tcp', tunnel, remote, local });
  giveBack(visit, lease);
  return visit;
}

/** The same for a visit of datagrams; `visitor` is the first of those whom it carries. */
export function openDatagramsOn(
  lease: Lease<PooledConnection<boolean>>,
  tunnel: string,
  { remote, local }: VisitorInfo,
): DatagramVisit {
  const visit = sessionOf(lease).openDatagrams({ protocol: 'udp', tunnel, remote, local });
  giveBack(visit, lease);
  return visit;
}

/** Opens something on the first lease whose connection still stands when it is granted. */
export async function openSoon<C extends PooledConnection<boolean>, V>(
  acquire: () => Promise<Lease<C>>,
  open: (lease: Lease<C>) => V,
): Promise<V> {
  for (;;) {
    const lease = await acquire();
    if (!lease.connection.closed) return open(lease);
    // It has gone between its grant and now.
    lease.release();
  }
}

function sessionOf(lease: Lease<PooledConnection<boolean>>): Session {
  const { connection } = lease;
  if (connection instanceof Session) return connection;
  lease.release();
  throw new ProtocolError('raw connections have no visits: use the socket of a lease, or leave session on');
}

function giveBack(visit: Visit | DatagramVisit, lease: Lease<PooledConnection<boolean>>): void {
  visit.onDone = () => {
    if (lease.held) lease.release();
  };
}

/** Where visitors get their visits from. */
export interface VisitSource {
  /** Connections that could carry a visit at once. */
  readonly idle: number;
  /** A visit at once, or undefined when nothing is idle. */
  tryOpenVisit(visitor: VisitorInfo): Visit | undefined;
  /** A visit, waiting for a connection. */
  openVisit(visitor: VisitorInfo, options?: WaitOptions): Promise<Visit>;
  /** A visit anywhere but at the other end that turned this one away; undefined when there is nobody else. */
  openElsewhere(visitor: VisitorInfo, visit: Visit, options: WaitOptions): Promise<Visit> | undefined;
}

/** Where visitors' datagrams get the visits that carry them from. */
export interface DatagramSource {
  /** How many other ends are connected: clients, or servers. */
  readonly ends: number;
  /** A visit at once, or undefined when nothing is idle. */
  tryOpenDatagrams(visitor: VisitorInfo): DatagramVisit | undefined;
  /** A visit, waiting for a connection. */
  openDatagrams(visitor: VisitorInfo, options?: WaitOptions): Promise<DatagramVisit>;
}

/** @throws InvalidOptionError for an address that the other side would not take */
export function checkVisitor({ remote, local }: VisitorInfo): void {
  for (const [option, address] of Object.entries({ remote, local })) {
    if (!isAddress(address))
      throw new InvalidOptionError(option, `"${String(address)}" is not ip:port, [ipv6]:port or unix`);
  }
}

export abstract class VisitPool<S extends boolean>
  extends ConnectionPool<PooledConnection<S>>
  implements VisitSource, DatagramSource
{
  /** Serves the visits that the other side opens. Without it they are refused. */
  onVisit: VisitListener | undefined;
  /** Serves the visits of datagrams that the other side opens. Without it they are refused. */
  onDatagrams: DatagramListener | undefined;
  /** The tunnel's name. */
  readonly tunnel: string;

  constructor(options: PoolOptions, { tunnel, onVisit }: { tunnel: string; onVisit: VisitListener | undefined }) {
    super(options);
    this.tunnel = tunnel;
    this.onVisit = onVisit;
  }

  /**
   * Opens a visit on an idle connection, waiting for one; its connection comes back by itself when the visit is over.
   * Only with sessions, and only on the side that opens visits.
   *
   * @throws AcquireTimeoutError, QueueFullError, PoolClosedError, the signal's reason, or InvalidOptionError for an
   *   address that the other side would not take
   */
  async openVisit(visitor: VisitorInfo, options: WaitOptions & GroupFilter = {}): Promise<Visit> {
    checkVisitor(visitor);
    return await openSoon(
      () => this.acquire(options),
      (lease) => openOn(lease, this.tunnel, visitor),
    );
  }

  /** {@link openVisit} for a visit of datagrams: `visitor` is the first of those whom it carries. */
  async openDatagrams(visitor: VisitorInfo, options: WaitOptions & GroupFilter = {}): Promise<DatagramVisit> {
    checkVisitor(visitor);
    return await openSoon(
      () => this.acquire(options),
      (lease) => openDatagramsOn(lease, this.tunnel, visitor),
    );
  }

  /** {@link openDatagrams} at once, or undefined when nothing is idle. */
  tryOpenDatagrams(visitor: VisitorInfo, filter?: GroupFilter): DatagramVisit | undefined {
    checkVisitor(visitor);
    const lease = this.tryAcquire(filter);
    return lease === undefined ? undefined : openDatagramsOn(lease, this.tunnel, visitor);
  }

  /** How many clients are connected; on a client, how many of the server's processes. */
  get ends(): number {
    return this.groups.length;
  }

  /** {@link openVisit} at once, or undefined when nothing is idle. */
  tryOpenVisit(visitor: VisitorInfo, filter?: GroupFilter): Visit | undefined {
    checkVisitor(visitor);
    const lease = this.tryAcquire(filter);
    return lease === undefined ? undefined : openOn(lease, this.tunnel, visitor);
  }

  abstract openElsewhere(visitor: VisitorInfo, visit: Visit, options: WaitOptions): Promise<Visit> | undefined;

  /** A visit that the other side opened takes its connection out of the pool, and gives it back when it is over. */
  protected serve(visit: Visit | DatagramVisit, session: Session): void {
    const lease = this.tryGet(session.id);
    if (lease === undefined) return visit.reset(ResetCode.draining);
    giveBack(visit, lease);
    const { onVisit, onDatagrams } = this;
    try {
      if (visit instanceof DatagramVisit && onDatagrams !== undefined) onDatagrams(visit, session);
      else if (!(visit instanceof DatagramVisit) && onVisit !== undefined) onVisit(visit, session);
      else visit.reset(ResetCode.targetNotFound, `${visit.info.protocol} visits are not served here; ${SAME}`);
    } catch (error) {
      visit.reset(ResetCode.internal);
      this.tell('fault', { pool: this.name, error: asFault(error) });
    }
  }
}

/** What to do about it. */
const SAME = 'use the same protocol on both sides';

function asFault(error: unknown): PooldError {
  return error instanceof PooldError
    ? error
    : new ProtocolError(`a visit's listener threw: ${reasonOf(error)}`, { cause: error });
}
