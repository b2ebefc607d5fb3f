/** Who may have a public port that is there already. */
import type { PublishRequest } from './server-listener.ts';

/** A published tunnel, as a request for its name or its port meets it. */
export interface Held extends Pick<PublishRequest, 'tunnel' | 'port' | 'protocol' | 'share' | 'owner'> {
  /** The clients that are connected, or for which it is being made. */
  readonly clients: readonly string[];
}

/**
 * What becomes of a request: the client comes in (`join`), takes the place of a tunnel whose clients have gone (`replace`),
 * or cannot (`conflict`).
 */
export type Verdict = 'join' | 'replace' | 'conflict';

/** Judges a request against the tunnel that has its name, its port, or both. */
export function judgeClaim(request: PublishRequest, held: Held): Verdict {
  const same = request.tunnel === held.tunnel && request.port === held.port && request.protocol === held.protocol;
  if (held.clients.length === 0) return same ? 'join' : 'replace';
  if (!same) return 'conflict';
  // With the token: what names a client is known to whoever reads the server's log.
  const known = request.owner === held.owner && held.clients.includes(request.client);
  return known || (request.share && held.share) ? 'join' : 'conflict';
}
