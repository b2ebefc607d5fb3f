/**
 * Why a connection left its pool, the same words in events, logs and metric labels.
 *
 * By the pool: `cleaned`, `flushed`, `stale` (came back after a flush), `idle-timeout`, `max-lifetime`, `unclaimed`
 * (its peer's signal never came), `unread` and `unfinished` (came back with bytes unread, or in mid-use), `draining`,
 * `duplicate-id`, `pool-full`, `pool-closed`, `destroyed`.
 * By the connection: `unread` (a visit was broken off with more on its way than is read past), `peer-closed`, `error`, `protocol-error`, `keep-alive-timeout`, `drained`, `stalled`.
 */
export type CloseReason =
  | 'cleaned'
  | 'flushed'
  | 'stale'
  | 'idle-timeout'
  | 'max-lifetime'
  | 'unclaimed'
  | 'unread'
  | 'unfinished'
  | 'draining'
  | 'duplicate-id'
  | 'pool-full'
  | 'pool-closed'
  | 'destroyed'
  | 'peer-closed'
  | 'error'
  | 'protocol-error'
  | 'keep-alive-timeout'
  | 'drained'
  | 'stalled';
