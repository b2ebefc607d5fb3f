import type { RawConnection } from '../pool/raw-connection.ts';
import type { Session } from '../session/session.ts';

/** What a pool of either side holds: sessions, or raw connections when `session` is false. */
export type PooledConnection<S extends boolean> = S extends false ? RawConnection : Session;
