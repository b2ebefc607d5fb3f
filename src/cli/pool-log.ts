/** Turns what pools and tunnels tell into log lines that an operator needs. */
import type { ClientPool } from '../client/client-pool.ts';
import type { ServerEntry } from '../client/servers.ts';
import type { TunnelClient } from '../client/tunnel-client.ts';
import type { TunnelServer } from '../server/tunnel-server.ts';
import { reasonOf } from '../shared/errors.ts';
import type { Logger } from './logging.ts';

/** Clients that come and go, connections and visitors turned away, targets, visits at debug level. */
export function logServer(server: TunnelServer, log: Logger): void {
  const { pool } = server;
  const clients = new Map<string, number>();
  pool.on('connectionReady', ({ group }) => {
    const connections = (clients.get(group) ?? 0) + 1;
    clients.set(group, connections);
    if (connections === 1) log.info({ client: group }, 'client joined');
  });
  pool.on('connectionClosed', ({ group, reason }) => {
    const connections = (clients.get(group) ?? 0) - 1;
    if (connections > 0) {
      clients.set(group, connections);
    } else {
      clients.delete(group);
      log.info({ client: group, reason }, 'client left');
    }
  });
  pool.on('fault', ({ error }) => log.warn({ code: error.code }, error.message));
  pool.on('handshakeFailed', ({ remote, error }) => {
    log.warn({ remote, code: error.code }, `connection turned away: ${error.message}`);
  });
  server.on('visitRefused', ({ remote, waitedMs, reason, error }) => {
    log.warn({ remote, reason, waitedMs: Math.round(waitedMs) }, `visitor turned away: ${reasonOf(error)}`);
  });
  logTargets(server, log);
  logVisits(server, log);
}

/** Servers and targets that cannot be reached, and their return: once each; visits at debug level. */
export function logClient(client: TunnelClient, log: Logger): void {
  const { servers } = client;
  const watch = ({ server, pool }: ServerEntry): void => logPool(pool, log.child({ server }));
  for (const entry of servers.entries) watch(entry);
  servers.on('serverAdded', watch);
  servers.on('fault', ({ error }) => log.warn({ code: error.code }, error.message));
  servers.group.on('breakerChanged', ({ node, state }) => log.info({ server: node, state }, 'circuit breaker'));
  servers.group.on('nodeUnhealthy', ({ node }) => log.warn({ server: node }, 'the server is not connected'));
  servers.group.on('nodeHealthy', ({ node }) => log.info({ server: node }, 'the server is connected again'));
  servers.group.on('nodeRemoved', ({ node }) => log.info({ server: node }, 'the server is left'));
  logTargets(client, log);
  logVisits(client, log);
}

/** The first failure of each kind to reach a server, and the recovery. */
function logPool(pool: ClientPool, log: Logger): void {
  let trouble = '';
  pool.on('dialFailed', ({ error, stage, attempt, retryInMs }) => {
    const fields = { stage, code: error.code, attempt, retryInMs: Math.round(retryInMs) };
    // The first failure of a kind says it all; those that follow, only that it goes on.
    if (trouble === error.message) log.debug(fields, error.message);
    else log.warn(fields, error.message);
    trouble = error.message;
  });
  pool.on('dialed', () => {
    if (trouble !== '') log.info('the server is reached again');
    trouble = '';
  });
  pool.on('fault', ({ error }) => log.warn({ code: error.code }, error.message));
  pool.warmed(pool.min).then(
    () => log.info({ idle: pool.idle }, 'warm'),
    // Ended before it was warm.
    () => {},
  );
}

/** Targets that fail and come back: once each, because each visit that comes in would say it again. */
function logTargets(tunnel: TunnelServer | TunnelClient, log: Logger): void {
  tunnel.on('targetDown', ({ target, error }) => log.warn({ target }, `the target is down: ${reasonOf(error)}`));
  tunnel.on('targetUp', ({ target }) => log.info({ target }, 'the target is up again'));
}

function logVisits(tunnel: TunnelServer | TunnelClient, log: Logger): void {
  tunnel.on('fault', ({ error }) => log.error({ code: error.code }, error.message));
  if (!log.isLevelEnabled('debug')) return;
  tunnel.on('visitOpened', ({ remote, id, waitedMs }) => {
    log.debug({ remote, id, waitedMs: Math.round(waitedMs) }, 'visit opened');
  });
  tunnel.on('visitClosed', ({ error, durationMs, ...visit }) => {
    const why = error === undefined ? {} : { error: error.message };
    log.debug({ ...visit, durationMs: Math.round(durationMs), ...why }, 'visit closed');
  });
}
