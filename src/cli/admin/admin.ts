/** The admin address as a command has it: made before its tunnels, started with them, closed when the command ends. */
import { performance } from 'node:perf_hooks';
import type { HttpBalancer } from '../../balancer/http-balancer.ts';
import type { TunnelClient } from '../../client/tunnel-client.ts';
import type { ServerListener } from '../../server/server-listener.ts';
import type { TunnelServer } from '../../server/tunnel-server.ts';
import { formatAddress } from '../../shared/net/address.ts';
import type { PublicListener } from '../../shared/tunnel/public-listener.ts';
import type { AdminSettings } from '../admin-flags.ts';
import type { Logger } from '../logging.ts';
import { AdminServer, type ReloadHook } from './admin-server.ts';
import { LocalSource } from './local-source.ts';
import { Notes } from './notes.ts';
import type { StatusReport } from './report.ts';

export class Admin {
  /** What the logger's lines go to. */
  readonly notes = new Notes(() => performance.now());
  readonly #settings: AdminSettings;
  readonly #source: LocalSource;
  readonly #server: AdminServer;

  constructor(settings: AdminSettings, role: StatusReport['role']) {
    this.#settings = settings;
    this.#source = new LocalSource(role);
    this.#server = new AdminServer(settings, this.#source, this.notes);
  }

  /** What `POST /reload` calls; 501 while there is none. */
  set reload(hook: ReloadHook | undefined) {
    this.#server.reload = hook;
  }

  /** Watches a server's end. Returns how to stop that. */
  watchServer(tunnel: string, server: TunnelServer): () => void {
    return this.#source.watchServer(tunnel, server);
  }

  /** Watches where clients connect. */
  watchListener(listener: ServerListener): void {
    this.#source.watchListener(listener);
  }

  /** Watches an address that several tunnels share. */
  watchPublic(listen: string, listener: PublicListener): void {
    this.#source.watchPublic(listen, listener);
  }

  /** Watches a balancer. */
  watchBalancer(balancer: HttpBalancer): void {
    this.#source.watchBalancer(balancer);
  }

  /** Watches a client's end. Returns how to stop that. */
  watchClient(tunnel: string, client: TunnelClient): () => void {
    return this.#source.watchClient(tunnel, client);
  }

  /** Listens, and returns where. @throws DialError when the address cannot be listened on */
  async start(log: Logger): Promise<string> {
    return await announceAdmin(this.#server, this.#settings, log);
  }

  close(): void {
    this.#server.close();
  }
}

/** Starts an admin address, and says where it is. @throws DialError when the address cannot be listened on */
export async function announceAdmin(server: AdminServer, { warnings }: AdminSettings, log: Logger): Promise<string> {
  for (const warning of warnings) log.warn(warning);
  await server.start();
  const admin = server.address === undefined ? '' : formatAddress(server.address);
  log.info({ admin }, 'admin address');
  return admin;
}
