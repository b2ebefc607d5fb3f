/** SIGHUP: the files that the flags name are read again, and hold for who comes from then on. What is wrong changes nothing. */
import type { Command } from 'commander';
import type { TunnelClient } from '../client/tunnel-client.ts';
import { checkServerListenerOptions } from '../server/server-listener-options.ts';
import { checkServerPoolOptions } from '../server/server-pool-options.ts';
import type { TunnelServer } from '../server/tunnel-server.ts';
import { ConfigError, InvalidOptionError, reasonOf } from '../shared/errors.ts';
import { AddressRanges } from '../shared/net/address-rules.ts';
import { checkHosts } from '../shared/tunnel/guest.ts';
import { visitorRules } from '../shared/tunnel/visitor-rules.ts';
import type { Logger } from './logging.ts';
import { explain } from './option-errors.ts';
import type { ClientSettings, ServerSettings } from './settings.ts';

/** The settings of a command, read anew. */
export interface Again<S> {
  read(): Promise<S>;
  /** What is wrong, in the words of the flags. */
  explain(error: unknown): string;
}

export function again<S>(command: Command, read: (command: Command) => Promise<S>): Again<S> {
  return {
    read: () => read(command),
    explain: (error) => (error instanceof InvalidOptionError ? explain(error, command) : reasonOf(error)),
  };
}

/** Reads the settings and applies them, one time after the other; says how it went, and resolves with what was wrong. */
export type Reload = () => Promise<string | undefined>;

export function reloader<S extends { readonly warnings: readonly string[] }>(
  again: Again<S>,
  apply: (settings: S) => Promise<void>,
  log: Logger,
): Reload {
  let last: Promise<unknown> = Promise.resolve();
  const reload = async (): Promise<string | undefined> => {
    try {
      const settings = await again.read();
      await apply(settings);
      for (const warning of settings.warnings) log.warn(warning);
      log.info('reloaded: files are read again');
      return undefined;
    } catch (error) {
      const problem = again.explain(error);
      log.error(`reload: nothing has changed: ${problem}`);
      return problem;
    }
  };
  return () => {
    const reloaded = last.then(reload);
    last = reloaded;
    return reloaded;
  };
}

/** The same for whoever asks by other means than a signal. @throws ConfigError saying what was wrong */
export function onDemand(reload: Reload): () => Promise<{ readonly reloaded: true }> {
  return async () => {
    const problem = await reload();
    if (problem !== undefined) throw new ConfigError(problem);
    return { reloaded: true };
  };
}

/** Takes what files hold: certificate, authorities, tokens, allow list, rules for visitors, hosts, proxies in front. */
export async function renewServer(server: TunnelServer, { pool, tunnel }: ServerSettings): Promise<void> {
  // All of it first: the certificate is checked as it is taken, and the rest must not fail behind it.
  checkServerListenerOptions(checkServerPoolOptions(pool).own, true);
  visitorRules(tunnel.visitors ?? {});
  checkHosts([tunnel.hosts ?? []]);
  void new AddressRanges('proxyFrom', tunnel.proxyFrom ?? []);
  const { mode, cert, key, clientCa } = pool.tls ?? { mode: 1 };
  if (mode !== 0) await server.pool.setTls(stated({ cert, key, clientCa }));
  await server.pool.setTokens(pool.token);
  server.pool.setAllow(pool.allow ?? []);
  server.setVisitorRules(tunnel.visitors ?? {});
  server.setHosts(tunnel.hosts ?? []);
  server.publicListener?.setProxyFrom(tunnel.proxyFrom ?? []);
}

/** The same: certificate, authorities, token, rules for visitors. */
export async function renewClient(client: TunnelClient, { pool, tunnel }: ClientSettings): Promise<void> {
  visitorRules(tunnel.visitors ?? {});
  if (pool.token !== undefined) client.servers.checkToken(pool.token);
  const { mode, ca, cert, key } = pool.tls ?? { mode: 1 };
  if (mode !== 0) client.servers.setTls(stated({ ca, cert, key }));
  if (pool.token !== undefined) await client.servers.setToken(pool.token);
  client.setVisitorRules(tunnel.visitors ?? {});
}

/** Without what is undefined. */
function stated<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}
