/** `poold/request`: requests over pools. The public names; no logic lives here. */
export { type Clock, systemClock, type Timer } from './shared/clock.ts';
export type { CloseReason } from './shared/close-reason.ts';
export {
  AcquireTimeoutError,
  CircuitOpenError,
  InvalidOptionError,
  NotOwnedError,
  PoolClosedError,
  PooldError,
  ProtocolError,
  QueueFullError,
} from './shared/errors.ts';
export type { Lease } from './shared/pool/lease.ts';
export type * from './shared/pool/pool-events.ts';
export type { PoolStats } from './shared/pool/pool-stats.ts';
export type { WaitOptions } from './shared/pool/waiter.ts';
export type { Codec, Decoder, ReplyFailure } from './shared/request/codec.ts';
export { RequestClient, type RequestClientState } from './shared/request/request-client.ts';
export * from './shared/request/request-errors.ts';
export type * from './shared/request/request-events.ts';
export type { ManyReplies } from './shared/request/request-many.ts';
export type {
  RequestBreakerOptions,
  RequestClientOptions,
  RequestMode,
  RequestOptions,
  RequestPoolOptions,
  RequestRetryOptions,
  RequestServer,
} from './shared/request/request-options.ts';
export type { RequestServerStats, RequestStats, RequestTotals } from './shared/request/request-stats.ts';
export type { Resource } from './shared/request/resource.ts';
export type { ResourceFactory } from './shared/request/resource-factory.ts';
export { ResourcePool } from './shared/request/resource-pool.ts';
export type { ResourceLimits, ResourcePoolOptions } from './shared/request/resource-pool-options.ts';
export { socketFactory, type SocketFactoryOptions } from './shared/request/socket-factory.ts';
export type { BreakerState } from './shared/resilience/breaker.ts';
