/** The ports that clients have opened: what is logged and counted of them, and their names. */
import type { PublishedPort, PublishedTunnels } from '../server/published-tunnels.ts';
import { ConfigError } from '../shared/errors.ts';
import type { Admin } from './admin/admin.ts';
import { nameOf } from './flag.ts';
import { nameFlag } from './command-flags.ts';
import type { Logger } from './logging.ts';
import { logServer } from './pool-log.ts';
import type { ServerPlan } from './plan.ts';

/** Logs ports that are opened and closed, and what happens at each; counts their numbers while they are there. */
export function observePublished(tunnels: PublishedTunnels, log: Logger, admin: Admin | undefined): void {
  const about = ({ tunnel, port, protocol }: PublishedPort) => ({ tunnel, port, protocol });
  const watches = new Map<PublishedPort['server'], (() => void) | undefined>();
  tunnels.on('published', (opened) => {
    const { tunnel, server } = opened;
    log.info(about(opened), 'port opened');
    logServer(server, log.child({ tunnel }));
    watches.set(server, admin?.watchServer(tunnel, server));
  });
  tunnels.on('unpublished', (closed) => {
    log.info(about(closed), 'port closed');
    watches.get(closed.server)?.();
    watches.delete(closed.server);
  });
}

/** @throws ConfigError for a tunnel whose name a client has just now */
export function checkNames(
  added: readonly string[],
  published: PublishedTunnels | undefined,
  planned: ServerPlan['tunnels'],
): void {
  for (const { tunnel, port } of published?.all ?? []) {
    const command = added.includes(tunnel) ? planned.get(tunnel)?.command : undefined;
    if (command === undefined) continue;
    const name = nameOf(nameFlag('server'), command);
    throw new ConfigError(`${name}: a client has published port ${port} under this name; choose another`);
  }
}
