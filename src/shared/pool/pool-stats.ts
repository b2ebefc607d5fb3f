/** A snapshot of a pool's numbers. */
export interface PoolStats {
  readonly name: string;
  readonly ready: boolean;
  /** Connections that wait for use (what NodePass calls Active). */
  readonly idle: number;
  /** Connections handed out, the claimed ones among them. */
  readonly inUse: number;
  /** Of those in use: taken by the peer, not yet by anybody here. */
  readonly claimed: number;
  /** Room kept for connections under way. */
  readonly connecting: number;
  /** idle + inUse + connecting. */
  readonly size: number;
  /** The wanted number of idle connections. */
  readonly capacity: number;
  readonly min: number;
  readonly max: number;
  /** Pause between two rounds of the dial loop, ms; 0 where nothing is dialled. */
  readonly interval: number;
  /** Acquires and gets that wait. */
  readonly waiting: number;
  readonly generation: number;
  readonly errorCount: number;
  /** Totals since the pool was made. */
  readonly created: number;
  readonly closed: number;
  readonly acquired: number;
}
