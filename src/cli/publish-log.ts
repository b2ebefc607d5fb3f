import type { PublishedPort, PublishedTunnels } from '../server/published-tunnels.ts';
import type { Logger } from './logging.ts';
import { logServer } from './pool-log.ts';

/** Public ports that are opened for clients and closed again, and what happens at each. */
export function logPublished(tunnels: PublishedTunnels, log: Logger): void {
  const about = ({ tunnel, port, protocol }: PublishedPort) => ({ tunnel, port, protocol });
  tunnels.on('published', (opened) => {
    log.info(about(opened), 'port opened');
    logServer(opened.server, log.child({ tunnel: opened.tunnel }));
  });
  tunnels.on('unpublished', (closed) => log.info(about(closed), 'port closed'));
}
