/** poold as a library: the public names. No logic lives here. */
export type { BackendStats } from './balancer/backend.ts';
export type * from './balancer/balancer-events.ts';
export type {
  BalancerHealthOptions,
  BalancerRulesOptions,
  HttpBalancerOptions,
} from './balancer/balancer-options.ts';
export type { BalancerStats, StatusClass } from './balancer/balancer-stats.ts';
export { HttpBalancer } from './balancer/http-balancer.ts';
export { ClientPool } from './client/client-pool.ts';
export type { ClientPoolOptions, PublishOption } from './client/client-pool-options.ts';
export type { Connect } from './client/dial.ts';
export type { ServerEntry, ServerGroupOptions, ServerOption, Servers, ServersEventMap } from './client/servers.ts';
export { TunnelClient, type TunnelClientOptions } from './client/tunnel-client.ts';
export type { TlsRenewal } from './server/door.ts';
export type { PublishOptions, PublishPoolOptions, PublishTunnelOptions } from './server/publish-options.ts';
export { PublishedTunnels, type PublishedPort, type PublishEventMap } from './server/published-tunnels.ts';
export {
  type ListenerEventMap,
  type ListenerHandshakeFailedEvent,
  ServerListener,
} from './server/server-listener.ts';
export type { ServerListenerOptions } from './server/server-listener-options.ts';
export { ServerPool } from './server/server-pool.ts';
export type { ServerPoolOptions } from './server/server-pool-options.ts';
export type { ListenerStats, ServerPoolStats, TurnedAway } from './server/server-pool-stats.ts';
export { TunnelServer, type TunnelServerOptions } from './server/tunnel-server.ts';
export { type Clock, systemClock, type Timer } from './shared/clock.ts';
export type { CloseReason } from './shared/close-reason.ts';
export * from './shared/errors.ts';
export { Discovery, type DiscoveryOptions } from './shared/group/discovery.ts';
export type { ExecuteContext, ExecuteOptions, Work } from './shared/group/execute.ts';
export type * from './shared/group/group-events.ts';
export type { GroupHealthOptions, PoolGroupOptions } from './shared/group/group-options.ts';
export type { GroupStats } from './shared/group/group-stats.ts';
export type { NodeChanges } from './shared/group/members.ts';
export type { NameResolver } from './shared/group/name-lookup.ts';
export type { NodeSpec, NodeState, NodeStats } from './shared/group/node.ts';
export type { NodePool } from './shared/group/node-pool.ts';
export { PoolGroup } from './shared/group/pool-group.ts';
export type { NodeFilter } from './shared/group/roster.ts';
export { parseServerSpec, type ServerSpec } from './shared/group/server-spec.ts';
export type { Address, HostAddress, UnixAddress } from './shared/net/address.ts';
export type { StrategyName } from './shared/policy/strategy.ts';
export { ConnectionPool, type PoolState } from './shared/pool/connection-pool.ts';
export type { GroupFilter, GroupLevel, GroupPicker } from './shared/pool/idle-list.ts';
export type { Lease } from './shared/pool/lease.ts';
export type { PoolConnection, PutRefusal } from './shared/pool/pool-connection.ts';
export type * from './shared/pool/pool-events.ts';
export type { PoolOptions } from './shared/pool/pool-options.ts';
export type { PoolStats } from './shared/pool/pool-stats.ts';
export type { RawConnection } from './shared/pool/raw-connection.ts';
export type { PutOptions, Reservation } from './shared/pool/reservation.ts';
export type { WaitOptions } from './shared/pool/waiter.ts';
export type { RelayEnd } from './shared/relay/relay.ts';
export { Breaker, type BreakerLimits, type BreakerOptions, type BreakerState } from './shared/resilience/breaker.ts';
export { retry, type RetryOptions, type RetryRules } from './shared/resilience/retry.ts';
export { isRetryable } from './shared/resilience/retryable.ts';
export type { TokenOption, TokensOption } from './shared/session/check-token.ts';
export type { DatagramHandler, DatagramVisit } from './shared/session/datagram-visit.ts';
export type { Session } from './shared/session/session.ts';
export type { Visit, VisitHandler } from './shared/session/visit.ts';
export { VisitStream } from './shared/session/visit-stream.ts';
export type { ClientTlsOptions, ServerTlsOptions, TlsMode } from './shared/tls/modes.ts';
export type { Pem } from './shared/tls/pem.ts';
export type { BandwidthOptions, BandwidthStats, LimitStats } from './shared/tunnel/bandwidth.ts';
export type { DatagramOptions } from './shared/tunnel/datagram-options.ts';
export type { DatagramDrops, DatagramStats } from './shared/tunnel/datagram-stats.ts';
export type * from './shared/tunnel/flow-events.ts';
export type { PooledConnection } from './shared/tunnel/pooled-connection.ts';
export { checkHosts } from './shared/tunnel/guest.ts';
export { PublicListener } from './shared/tunnel/public-listener.ts';
export type {
  ListenerRefusal,
  PublicListenerEventMap,
  PublicListenerOptions,
  PublicListenerStats,
  PublicRefusedEvent,
} from './shared/tunnel/public-listener-options.ts';
export type { RefusalReason } from './shared/tunnel/refusal.ts';
export type { TargetProxy } from './shared/tunnel/target-header.ts';
export type { TargetStats } from './shared/tunnel/targets.ts';
export type { TargetOption, TargetsOptions } from './shared/tunnel/tunnel-options.ts';
export type * from './shared/tunnel/visit-events.ts';
export type { DatagramListener, VisitListener, VisitorInfo } from './shared/tunnel/visit-pool.ts';
export type { VisitorStats } from './shared/tunnel/visitor-gate.ts';
export type { VisitorsOptions } from './shared/tunnel/visitor-rules.ts';
export { ResetCode } from './shared/wire/frame.ts';
export type { OpenInfo } from './shared/wire/messages.ts';
export type { IdFormat } from './shared/wire/tag.ts';
