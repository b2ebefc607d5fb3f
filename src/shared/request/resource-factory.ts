/** How a pool's resources are made, judged and ended. */
export interface ResourceFactory<R> {
  /** Makes one. `signal` aborts when `createTimeoutMs` is over or the pool closes; what comes all the same is destroyed. */
  create(context: { readonly signal: AbortSignal }): Promise<R>;
  /** Whether it still works. Asked when it is handed out, unless it was just used. Default: it does. */
  validate?(resource: R): boolean | Promise<boolean>;
  /** Ends it, whatever its state. Called exactly once for each. */
  destroy(resource: R): void | Promise<void>;
  /** Called once for each: `lost` tells the pool that it has ended by itself. */
  watch?(resource: R, lost: () => void): void;
  /** Whether it may have a next borrower: nothing of the last one's is left on it. Asked when it comes back. */
  clean?(resource: R): boolean;
  /** It is idle from now on; `spoiled` says that something has come which nobody asked for, and it is destroyed. */
  park?(resource: R, spoiled: () => void): void;
  /** It is handed out: the end of what {@link park} began. */
  unpark?(resource: R): void;
}
