import type { Clock } from '../clock.ts';
import type { CloseReason } from '../close-reason.ts';
import type { PoolConnection } from '../pool/pool-connection.ts';
import type { ResourceError, ResourceStage } from './request-errors.ts';
import type { ResourceFactory } from './resource-factory.ts';

/** What a resource asks of its pool. */
export interface ResourceOwner {
  readonly clock: Clock;
  /** Idle for longer makes it stale, ms. */
  readonly validateAfterMs: number;
  /** Hears what a method of the factory threw, and returns it as an error of the pool. */
  readonly failed: (stage: ResourceStage, error: unknown) => ResourceError;
}

/** Ends what a factory has made; never throws. */
export async function endResource<R>(value: R, factory: ResourceFactory<R>, owner: ResourceOwner): Promise<void> {
  try {
    await factory.destroy(value);
  } catch (error) {
    owner.failed('destroy', error);
  }
}

/** A pooled resource, as the core sees it; {@link value} is what the factory made. */
export class Resource<R> implements PoolConnection {
  readonly value: R;
  readonly #factory: ResourceFactory<R>;
  readonly #owner: ResourceOwner;
  #closed = false;
  #used = false;
  #stale = false;
  #fault: ResourceError | undefined;
  /** Since when it is idle; the owner's clock, ms. Kept only where somebody judges by it. */
  #idleSince: number | undefined;
  #onClose: ((reason: CloseReason) => void) | undefined;

  /** @throws what `watch` throws: it is ended then */
  constructor(value: R, factory: ResourceFactory<R>, owner: ResourceOwner) {
    this.value = value;
    this.#factory = factory;
    this.#owner = owner;
    try {
      factory.watch?.(value, () => this.close('peer-closed'));
    } catch (error) {
      this.close('error');
      throw error;
    }
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Whether it was idle for so long, when it was handed out, that it is tested first. */
  get stale(): boolean {
    return this.#stale;
  }

  /** What the factory threw when it was handed out or came back; it is closed then. */
  get fault(): ResourceError | undefined {
    return this.#fault;
  }

  onClose(listener: (reason: CloseReason) => void): void {
    this.#onClose = listener;
  }

  refusal(): 'unfinished' | undefined {
    if (!this.#used) return undefined;
    const clean = this.#ask('clean', () => this.#factory.clean?.(this.value));
    return clean === false || this.#closed ? 'unfinished' : undefined;
  }

  park(): void {
    if (this.#factory.validate !== undefined) this.#idleSince = this.#owner.clock.now();
    this.#ask('park', () => this.#factory.park?.(this.value, () => this.close('unread')));
  }

  unpark(): void {
    const since = this.#idleSince;
    this.#stale = since !== undefined && this.#owner.clock.now() - since >= this.#owner.validateAfterMs;
    this.#idleSince = undefined;
    this.#used = true;
    this.#ask('unpark', () => this.#factory.unpark?.(this.value));
  }

  close(reason: CloseReason): void {
    if (this.#closed) return;
    this.#closed = true;
    void endResource(this.value, this.#factory, this.#owner);
    this.#onClose?.(reason);
  }

  /** The core is in the middle of a move: what the factory throws costs the resource, and nobody else anything. */
  #ask<T>(stage: ResourceStage, ask: () => T): T | undefined {
    try {
      return ask();
    } catch (error) {
      this.#fault = this.#owner.failed(stage, error);
      this.close('error');
      return undefined;
    }
  }
}
