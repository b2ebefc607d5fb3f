/** Bytes and visits of a tunnel, or of one of its peers. */

/** What has gone one way and the other. */
export interface ByteCounts {
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export class Traffic {
  visits = 0;
  #in = 0;
  #out = 0;
  /** The most that was ever shown. */
  #shownIn = 0;
  #shownOut = 0;

  /** A visit is over. */
  close({ bytesIn, bytesOut }: ByteCounts): void {
    this.#in += bytesIn;
    this.#out += bytesOut;
  }

  /**
   * All bytes so far, those of the visits that are on among them. Never less than before: a visitor who is moved to
   * another connection begins anew there, and for a counter less means a restart.
   */
  withLive(live: readonly ByteCounts[]): ByteCounts {
    const bytesIn = live.reduce((sum, visit) => sum + visit.bytesIn, this.#in);
    const bytesOut = live.reduce((sum, visit) => sum + visit.bytesOut, this.#out);
    this.#shownIn = Math.max(this.#shownIn, bytesIn);
    this.#shownOut = Math.max(this.#shownOut, bytesOut);
    return { bytesIn: this.#shownIn, bytesOut: this.#shownOut };
  }
}
