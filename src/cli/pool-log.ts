/** Turns what pools and tunnels tell into log lines that an operator needs. */
import type { ClientPool } from '../client/client-pool.ts';
import type { ServerEntry, Servers } from '../client/servers.ts';
import type { TunnelClient } from '../client/tunnel-client.ts';
import type { ServerListener } from '../server/server-listener.ts';
import type { TunnelServer } from '../server/tunnel-server.ts';
import { type Clock, systemClock } from '../shared/clock.ts';
import type { CloseReason } from '../shared/close-reason.ts';
import { DiscoveryError, PooldError, reasonOf, VisitorRefusedError } from '../shared/errors.ts';
import type { PublicListener } from '../shared/tunnel/public-listener.ts';
import type { VisitRefusedEvent } from '../shared/tunnel/visit-events.ts';
import { limited } from './log-limit.ts';
import type { Logger } from './logging.ts';

/** The ends of a connection that nobody has wanted: here, or at the other side as far as this one can know. */
const DEATHS: ReadonlySet<CloseReason> = new Set([
  'peer-closed',
  'error',
  'protocol-error',
  'keep-alive-timeout',
  'stalled',
]);

/** A handful of clients that start anew are logged one by one; whoever holds a token could do so a thousand times. */
const CLIENT_LINES = 10;

/**
 * Clients that come and go, visitors turned away, targets, visits at debug level.
 *
 * @param clock time, for tests
 */
export function logServer(server: TunnelServer, log: Logger, clock: Clock = systemClock): void {
  const { pool } = server;
  const sayClient = limited(log, CLIENT_LINES, clock);
  const clients = new Map<string, number>();
  pool.on('connectionReady', ({ group, token }) => {
    const connections = (clients.get(group) ?? 0) + 1;
    clients.set(group, connections);
    if (connections === 1) sayClient('info', 'joined', { client: group, token }, 'client joined');
  });
  pool.on('connectionClosed', ({ group, reason }) => {
    const connections = (clients.get(group) ?? 0) - 1;
    if (connections > 0) {
      clients.set(group, connections);
    } else {
      clients.delete(group);
      sayClient('info', 'left', { client: group, reason }, 'client left');
    }
  });
  const sayFault = limited(log, 1, clock);
  pool.on('fault', ({ error: { code, message } }) => sayFault('warn', code, { code }, message));
  logTargets(server, log);
  logVisits(server, log);
}

/** Connections that are turned away where clients connect, and what is wrong there. */
export function logListener(listener: ServerListener, log: Logger, clock: Clock = systemClock): void {
  const sayFault = limited(log, 1, clock);
  listener.on('fault', ({ error: { code, message } }) => sayFault('warn', code, { code }, message));
  const sayFailed = limited(log, 1, clock);
  listener.on('handshakeFailed', ({ remote, error: { code, message } }) => {
    sayFailed('warn', code, { remote, code }, `connection turned away: ${message}`);
  });
}

/** Visitors who were turned away at an address that several tunnels share, before they were any tunnel's, and its faults. */
export function logPublic(listener: PublicListener, log: Logger): void {
  listener.on('visitRefused', refusalTeller(log));
  listener.on('fault', faultTeller(log));
}

/** Servers that are lost, servers and targets that cannot be reached, and their return: once each; visits at debug level. */
export function logClient(client: TunnelClient, log: Logger): void {
  const { servers } = client;
  const watch = ({ server, pool }: ServerEntry): void => logPool(pool, log.child({ server }));
  for (const entry of servers.entries) watch(entry);
  servers.on('serverAdded', watch);
  logNames(servers, log);
  servers.group.on('breakerChanged', ({ node, state }) => log.info({ server: node, state }, 'circuit breaker'));
  servers.group.on('nodeUnhealthy', ({ node }) => log.warn({ server: node }, 'the server is not connected'));
  servers.group.on('nodeHealthy', ({ node }) => log.info({ server: node }, 'the server is connected again'));
  servers.group.on('nodeRemoved', ({ node }) => log.info({ server: node }, 'the server is left'));
  logTargets(client, log);
  logVisits(client, log);
}

/** The first failure of each kind to look a name up, and the recovery. */
function logNames(servers: Servers, log: Logger): void {
  const troubles = new Map<string, string>();
  servers.on('fault', ({ error }) => {
    const { code, message } = error;
    if (!(error instanceof DiscoveryError)) return log.warn({ code }, message);
    const { spec, cause } = error;
    // The message says when it is asked again, too.
    const trouble = reasonOf(cause);
    if (troubles.get(spec) === trouble) log.debug({ code, name: spec }, message);
    else log.warn({ code, name: spec }, message);
    troubles.set(spec, trouble);
  });
  servers.on('recovered', ({ spec }) => {
    troubles.delete(spec);
    log.info({ name: spec }, 'the name is answered again');
  });
}

/** The loss of all connections to a server, the first failure of each kind to reach it, and the recovery. */
function logPool(pool: ClientPool, log: Logger): void {
  let trouble = '';
  /** Connections that have died since the last was made, and how the last one did, as long as it is untold. */
  let dead = 0;
  let loss: CloseReason | undefined;
  const tellLoss = (level: 'warn' | 'info'): void => {
    if (loss === undefined) return;
    log[level]({ reason: loss, connections: dead }, 'the connection to the server is lost');
    trouble ||= loss;
    loss = undefined;
  };
  pool.on('connectionClosed', ({ id, reason }) => {
    if (!DEATHS.has(reason)) return;
    dead += 1;
    log.debug({ id, reason }, 'a connection is lost');
    if (!pool.ready || pool.idle + pool.inUse > 0) return;
    loss = reason;
    // A server that replaces its connections for their age ends them in order, too. The next dial shows which it was.
    if (reason !== 'peer-closed') tellLoss('warn');
  });
  pool.on('dialFailed', ({ error, stage, attempt, retryInMs }) => {
    tellLoss('warn');
    const fields = { stage, code: error.code, attempt, retryInMs: Math.round(retryInMs) };
    // The first failure of a kind says it all; those that follow, only that it goes on.
    if (trouble === error.message) log.debug(fields, error.message);
    else log.warn(fields, error.message);
    trouble = error.message;
  });
  pool.on('dialed', () => {
    tellLoss('info');
    dead = 0;
    if (trouble !== '') log.info('the server is reached again');
    trouble = '';
  });
  const sayFault = limited(log);
  pool.on('fault', ({ error: { code, message } }) => sayFault('warn', code, { code }, message));
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

/** Visitors who were turned away; those that are turned away for the same reason within a few seconds in one line. */
function refusalTeller(log: Logger): (event: VisitRefusedEvent) => void {
  const say = limited(log);
  return ({ remote, waitedMs, error }) => {
    const fields = { remote, waitedMs: Math.round(waitedMs) };
    say('warn', kindOf(error), fields, `visitor turned away: ${reasonOf(error)}`);
  };
}

function faultTeller(log: Logger): (event: { readonly error: PooldError }) => void {
  const say = limited(log);
  return ({ error: { code, message } }) => say('error', code, { code }, message);
}

function kindOf(error: unknown): string {
  if (error instanceof VisitorRefusedError) return error.reason;
  return error instanceof PooldError ? error.code : '';
}

function logVisits(tunnel: TunnelServer | TunnelClient, log: Logger): void {
  tunnel.on('visitRefused', refusalTeller(log));
  tunnel.on('fault', faultTeller(log));
  if (!log.isLevelEnabled('debug')) return;
  tunnel.on('flowOpened', ({ remote }) => log.debug({ remote }, 'flow opened'));
  tunnel.on('flowClosed', ({ durationMs, ...flow }) => {
    log.debug({ ...flow, durationMs: Math.round(durationMs) }, 'flow closed');
  });
  tunnel.on('visitOpened', ({ remote, id, waitedMs }) => {
    log.debug({ remote, id, waitedMs: Math.round(waitedMs) }, 'visit opened');
  });
  tunnel.on('visitClosed', ({ error, durationMs, ...visit }) => {
    const why = error === undefined ? {} : { error: error.message };
    log.debug({ ...visit, durationMs: Math.round(durationMs), ...why }, 'visit closed');
  });
}
