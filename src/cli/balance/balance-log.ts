import type { HttpBalancer } from '../../balancer/http-balancer.ts';
import { type Clock, systemClock } from '../../shared/clock.ts';
import { reasonOf } from '../../shared/errors.ts';
import { limited } from '../log-limit.ts';
import type { Logger } from '../logging.ts';

/** Lines about a server at once: it has gone and come back twice. */
const SERVER_LINES = 4;

/** Servers that go and come back, requests that failed, clients turned away; each request at debug level. */
export function logBalancer(balancer: HttpBalancer, log: Logger, clock: Clock = systemClock): void {
  const sayFault = limited(log, 1, clock);
  const sayRefused = limited(log, 1, clock);
  const sayFailed = limited(log, 1, clock);
  const sayServer = limited(log, SERVER_LINES, clock);
  balancer.on('fault', ({ error: { code, message } }) => sayFault('error', code, { code }, message));
  balancer.on('serverDown', ({ server, error }) => {
    sayServer('warn', server, { server }, `the server is down: ${reasonOf(error)}`);
  });
  balancer.on('serverUp', ({ server }) => sayServer('info', server, { server }, 'the server is up again'));
  balancer.on('clientRefused', ({ remote, reason }) => {
    sayRefused('warn', reason, { remote, reason }, 'client turned away');
  });
  const eachRequest = log.isLevelEnabled('debug');
  balancer.on('requestClosed', ({ error, durationMs, ...request }) => {
    const why = error === undefined ? {} : { error: reasonOf(error) };
    if (eachRequest) log.debug({ ...request, durationMs: Math.round(durationMs), ...why }, 'request');
    const { end, status, method, path, server } = request;
    if (end !== 'broken' && !(end === 'refused' && status >= 500)) return;
    sayFailed('warn', `${end} ${status}`, { method, path, server, status, ...why }, 'a request has failed');
  });
}
