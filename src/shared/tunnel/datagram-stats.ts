/** Why a datagram went no further. */
export interface DatagramDrops {
  /** No connection was there in time. */
  readonly noConnection: number;
  /** More than a bound was unsent on its connection, or to its visitor or target; or it was too long. */
  readonly unsent: number;
  /** It had no flow and got none: the tunnel is ending, or its flow was displaced while it waited. */
  readonly table: number;
  /** It would have begun a flow, and the rules for visitors turn its sender away. */
  readonly refused: number;
  /** Its flow was over by the time it came. */
  readonly unknownFlow: number;
  /** The target refused it, or could not be reached. */
  readonly target: number;
  /** It could not be sent to its visitor. */
  readonly visitor: number;
  /** It was more than the bandwidth's limit lets through. */
  readonly limited: number;
}

/** The numbers of one end of a `udp` tunnel, a snapshot. In and out are from and to the other end of the tunnel. */
export interface DatagramStats {
  /** Flows that are on. */
  readonly flows: number;
  /** Connections that carry them. */
  readonly carriers: number;
  /** Flows so far, and those that went before their time because the table, or their address's part of it, was full. */
  readonly flowsTotal: number;
  readonly flowsDisplaced: number;
  readonly datagramsIn: number;
  readonly datagramsOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly dropped: DatagramDrops;
}

/** The numbers as they are counted. */
export class DatagramCounts {
  flowsTotal = 0;
  flowsDisplaced = 0;
  datagramsIn = 0;
  datagramsOut = 0;
  bytesIn = 0;
  bytesOut = 0;
  readonly dropped = {
    noConnection: 0,
    unsent: 0,
    table: 0,
    refused: 0,
    unknownFlow: 0,
    target: 0,
    visitor: 0,
    limited: 0,
  };

  /** @param levels what is there now */
  snapshot(levels: Pick<DatagramStats, 'flows' | 'carriers'>): DatagramStats {
    const { flowsTotal, flowsDisplaced, datagramsIn, datagramsOut, bytesIn, bytesOut } = this;
    const totals = { flowsTotal, flowsDisplaced, datagramsIn, datagramsOut, bytesIn, bytesOut };
    return { ...levels, ...totals, dropped: { ...this.dropped } };
  }
}
