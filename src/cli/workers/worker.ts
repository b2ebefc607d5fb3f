/** One of several processes that serve the same visitors, each with pools of its own. */
import cluster from 'node:cluster';
import { ServerListener } from '../../server/server-listener.ts';
import type { ServerListenerOptions } from '../../server/server-listener-options.ts';
import { DEFAULT_MAX_CAPACITY } from '../../server/server-pool-options.ts';
import type { TunnelServer } from '../../server/tunnel-server.ts';
import { PassListener } from '../../server/visitor-pass.ts';
import { systemClock } from '../../shared/clock.ts';
import { formatAddress } from '../../shared/net/address.ts';
import { adminSettings } from '../admin-flags.ts';
import { keepFreedMemory } from '../allocator.ts';
import { ExitCode } from '../exit-codes.ts';
import { makeLogger } from '../logging.ts';
import { explained } from '../option-errors.ts';
import type { ServerPlan } from '../plan.ts';
import { logListener } from '../pool-log.ts';
import { PublicAddresses } from '../public-addresses.ts';
import { checkLasting, reloader } from '../reload.ts';
import { RunningTunnels } from '../running-tunnels.ts';
import { renewListener, type ServerSetup, serverWays } from '../server-tunnels.ts';
import type { ServerTunnel } from '../settings.ts';
import type { Setup } from './messages.ts';
import { Passing } from './passing.ts';
import { PrimaryLink } from './primary-link.ts';
import { canSharePort } from './shared-port.ts';
import type { WorkerPlace } from './worker-place.ts';

/** How often a worker looks which tunnels have a connection idle, ms. */
const LOOK_MS = 20;

/** How long the others may take to hear that this worker takes no visitors any more, ms: a look and a round of theirs. */
const FAREWELL_MS = 100;

/**
 * Runs until the first process says that it is to end, or has gone.
 *
 * @param again reads the plan
 */
export async function runWorker(again: () => Promise<ServerPlan>, place: WorkerPlace): Promise<ExitCode> {
  keepFreedMemory();
  try {
    return await serve(new PrimaryLink(), again, place);
  } finally {
    // However it ends: the channel alone would keep the process. Not process.disconnect, behind which node:cluster would
    // end it before its exit code is set.
    cluster.worker?.disconnect();
  }
}

async function serve(
  link: PrimaryLink,
  again: () => Promise<ServerPlan>,
  { index, count }: WorkerPlace,
): Promise<ExitCode> {
  const { material, secret: hex, lasting } = await link.setup;
  const first = await again();
  if (first.secretTyped) process.title = 'poold server';
  // The file may be another one by now, and the others run by what was in it.
  checkLasting('server', lasting, first.command);
  let plan = first;
  const secret = Buffer.from(hex, 'hex');
  const passing = new Passing({
    secret,
    ports: (tunnel) => link.ports.get(tunnel) ?? [],
    // One that has gone meanwhile serves nobody.
    keep: (socket, visitor) => {
      const server = tunnels.get(visitor.tunnel);
      if (server === undefined) socket.resetAndDestroy();
      else server.welcome(socket, visitor);
    },
  });
  const listener = explained(plan.command, () => new ServerListener(listenerOptions(plan, material)));
  const observer = adminSettings(plan.command) === undefined ? undefined : await observe(index, link);
  const log = (await makeLogger(plan.settings, observer?.hear)).child({ worker: index });
  logListener(listener, log);
  observer?.source.watchListener(listener);
  const tunnels: RunningTunnels<ServerTunnel, TunnelServer> = new RunningTunnels(
    serverWays({
      listener,
      addresses: new PublicAddresses(log, observer?.source),
      logOf: (tunnel) => (first.fromFile ? log.child({ tunnel }) : log),
      admin: observer?.source,
      more: moreOptions(index, count, passing),
    }),
    log,
  );
  // What is wrong the first process has found out by then.
  const reload = reloader(
    async () => {
      const next = await again();
      const change = tunnels.prepare(next.tunnels);
      try {
        await renewListener(listener, next.settings, next.command);
      } catch (error) {
        tunnels.discard(change);
        throw error;
      }
      plan = next;
      return tunnels.commit(change, next.settings.gracePeriodMs);
    },
    log,
    { level: 'debug' },
  );
  const passed = new PassListener(secret, systemClock, (socket, visitor) => {
    const server = tunnels.get(visitor.tunnel);
    if (server?.pool.ready === true) server.welcome(socket, visitor);
    return server?.pool.ready === true;
  });
  let look: NodeJS.Timeout | undefined;
  try {
    const passPort = await passed.start();
    await tunnels.start(plan.tunnels);
    await listener.start();
    const { address, fingerprint } = listener;
    if (address !== undefined) {
      const visitors = [...tunnels.tunnels.values()].flatMap((tunnel) => tunnel.address ?? []).map(formatAddress);
      link.tell({ type: 'listening', listen: formatAddress(address), public: visitors, fingerprint, passPort });
      look = setInterval(idleTeller(tunnels, link), LOOK_MS);
    }
    link.canReload(async () => link.tell({ type: 'reloaded', problem: (await reload())?.problem }));
    await link.stopped;
    clearInterval(look);
    link.tell({ type: 'idle', tunnels: [] });
    const { gracePeriodMs } = plan.settings;
    const farewell = new Promise((resolve) => systemClock.setTimeout(() => resolve(passed.close()), FAREWELL_MS));
    await Promise.all([listener.close(), tunnels.close(gracePeriodMs), passing.close(gracePeriodMs), farewell]);
    return ExitCode.clean;
  } catch (error) {
    tunnels.destroy();
    void listener.close();
    throw error;
  } finally {
    clearInterval(look);
    passed.close();
  }
}

/** The listener of one of several: at the port of all, with the certificate of all. */
function listenerOptions({ settings: { listener } }: ServerPlan, material: Setup['material']): ServerListenerOptions {
  const { listen, tls } = listener;
  const reusePort = listen !== undefined && canSharePort(listen);
  const shown = material === undefined ? {} : { tls: { mode: 1, ...tls, ...material } as const };
  return { ...listener, reusePort, ...shown };
}

/** What the tunnels of one of `workers` have besides: its share of the connections, and the others to pass visitors to. */
function moreOptions(worker: number, workers: number, passing: Passing): NonNullable<ServerSetup['more']> {
  return (name, { pool: { maxCapacity = DEFAULT_MAX_CAPACITY }, tunnel }) => {
    const { public: visitorsAt, protocol, stallTimeoutMs } = tunnel;
    const reusePort = visitorsAt !== undefined && canSharePort(visitorsAt);
    // Datagrams stay where the system brings them, and wait there for a connection.
    const passes = visitorsAt !== undefined && protocol !== 'udp';
    return {
      pool: { worker, workers, maxCapacity: Math.ceil(maxCapacity / workers) },
      tunnel: {
        reusePort,
        ...(passes
          ? { passOn: (socket, visitor) => passing.passOn(socket, { tunnel: name, ...visitor }, stallTimeoutMs) }
          : {}),
      },
    };
  };
}

/** Lets the first process ask how this one is. */
async function observe(index: number, link: PrimaryLink) {
  // Imported late: without --admin nothing of it is loaded.
  const [{ LocalSource }, { Notes }] = await Promise.all([
    import('../admin/local-source.ts'),
    import('../admin/notes.ts'),
  ]);
  const source = new LocalSource('server', String(index));
  link.onAsk = (withMetrics) => source.part(withMetrics);
  const notes = new Notes(() => systemClock.now());
  notes.onNote((note) => link.tell({ type: 'noted', note }));
  return { source, hear: notes.hear };
}

/** A function that tells the first process which tunnels have a connection idle, when that has changed. */
function idleTeller<P>(running: RunningTunnels<P, TunnelServer>, link: PrimaryLink): () => void {
  let told = '';
  return () => {
    const idle = [...running.tunnels].filter(([, { pool }]) => pool.idle > 0).map(([name]) => name);
    const text = idle.join();
    if (text !== told) link.tell({ type: 'idle', tunnels: idle });
    told = text;
  };
}
