/** A snapshot of a group's numbers. */
export interface GroupStats {
  readonly name: string;
  readonly ready: boolean;
  /** Nodes that may hand out. */
  readonly nodes: number;
  /** Of these: the healthy ones. */
  readonly healthy: number;
  /** Removed nodes that wait for their leases. */
  readonly draining: number;
  /** Connections of all nodes, the draining ones among them. */
  readonly idle: number;
  readonly inUse: number;
  readonly connecting: number;
  /** Gets that wait. */
  readonly waiting: number;
  /** Leases that the group has had so far. */
  readonly acquired: number;
}
