/** One of several processes that serve the same visitors, each with a pool of its own. */
import cluster from 'node:cluster';
import { ServerPool } from '../../server/server-pool.ts';
import { DEFAULT_MAX_CAPACITY } from '../../server/server-pool-options.ts';
import { TunnelServer } from '../../server/tunnel-server.ts';
import { PassListener } from '../../server/visitor-pass.ts';
import { systemClock } from '../../shared/clock.ts';
import { formatAddress } from '../../shared/net/address.ts';
import { keepFreedMemory } from '../allocator.ts';
import { ExitCode } from '../exit-codes.ts';
import { makeLogger } from '../logging.ts';
import { logServer } from '../pool-log.ts';
import { type Again, reloader, renewServer } from '../reload.ts';
import type { ServerSettings } from '../settings.ts';
import type { Setup } from './messages.ts';
import { Passing } from './passing.ts';
import { PrimaryLink } from './primary-link.ts';
import { canSharePort } from './shared-port.ts';

/** How often a worker looks whether it has a connection idle, ms. */
const LOOK_MS = 20;

/** How long the others may take to hear that this worker takes no visitors any more, ms: a look and a round of theirs. */
const FAREWELL_MS = 100;

/** @param observed whether the first process is going to ask how this one is */
export async function runWorker(
  settings: ServerSettings,
  again: Again<ServerSettings>,
  index: number,
  count: number,
  observed: boolean,
): Promise<ExitCode> {
  keepFreedMemory();
  const link = new PrimaryLink();
  const { material, secret: hex } = await link.setup;
  const secret = Buffer.from(hex, 'hex');
  const { stallTimeoutMs } = settings.tunnel;
  const passing = new Passing({
    secret,
    stallTimeoutMs,
    ports: () => link.ports,
    keep: (socket, visitor) => server.welcome(socket, visitor),
  });
  const pool = new ServerPool(poolOptions(settings, index, count, material));
  const visitorsAt = settings.tunnel.public;
  const reusePort = visitorsAt !== undefined && canSharePort(visitorsAt);
  const passOn: Passing['passOn'] = (socket, visitor) => passing.passOn(socket, visitor);
  // Datagrams stay where the system brings them, and wait there for a connection.
  const passes = settings.tunnel.protocol !== 'udp';
  const server = new TunnelServer({ pool, ...settings.tunnel, reusePort, ...(passes ? { passOn } : {}) });
  const hear = observed ? await observe(server, index, link) : undefined;
  const log = (await makeLogger(settings, hear)).child({ worker: index });
  logServer(server, log);
  const reload = reloader(again, (renewed) => renewServer(server, renewed), log);
  link.onReload = () => void reload();
  const passed = new PassListener(secret, systemClock, (socket, visitor) => {
    if (pool.ready) server.welcome(socket, visitor);
    return pool.ready;
  });
  let look: NodeJS.Timeout | undefined;
  try {
    const passPort = await passed.start();
    await server.start();
    const { address: listen, fingerprint } = pool;
    const { address: visitors } = server;
    if (listen !== undefined) {
      const addresses = { listen: formatAddress(listen), public: visitors && formatAddress(visitors) };
      link.tell({ type: 'listening', ...addresses, fingerprint, passPort });
      look = setInterval(idleTeller(pool, link), LOOK_MS);
    }
    await link.stopped;
    clearInterval(look);
    link.tell({ type: 'idle', idle: false });
    const { gracePeriodMs: graceMs } = settings;
    const farewell = new Promise((resolve) => systemClock.setTimeout(() => resolve(passed.close()), FAREWELL_MS));
    await Promise.all([server.close({ graceMs }), passing.close(graceMs), farewell]);
    return ExitCode.clean;
  } finally {
    clearInterval(look);
    passed.close();
    // Not process.disconnect, behind which node:cluster would end the process before its exit code is set.
    cluster.worker?.disconnect();
  }
}

/** The settings of one of `count`: its share of the connections, and the certificate of all. */
function poolOptions(
  { pool }: ServerSettings,
  worker: number,
  workers: number,
  material: Setup['material'],
): ServerSettings['pool'] {
  const { maxCapacity = DEFAULT_MAX_CAPACITY, tls } = pool;
  return {
    ...pool,
    worker,
    workers,
    reusePort: pool.listen !== undefined && canSharePort(pool.listen),
    maxCapacity: Math.ceil(maxCapacity / workers),
    ...(material === undefined ? {} : { tls: { mode: 1, ...tls, cert: material.cert, key: material.key } }),
  };
}

/** Lets the first process ask how this one is. Returns what tells it of a line of the log. */
async function observe(server: TunnelServer, index: number, link: PrimaryLink): Promise<(line: string) => void> {
  // Imported late: without --admin nothing of it is loaded.
  const [{ LocalSource }, { Notes }] = await Promise.all([
    import('../admin/local-source.ts'),
    import('../admin/notes.ts'),
  ]);
  const source = new LocalSource('server', String(index));
  source.watchServer(server.pool.tunnel, server);
  link.onAsk = (withMetrics) => source.part(withMetrics);
  const notes = new Notes(() => systemClock.now());
  notes.onNote((note) => link.tell({ type: 'noted', note }));
  return notes.hear;
}

/** A function that tells the first process whether a connection is idle, when that has changed. */
function idleTeller(pool: ServerPool, link: PrimaryLink): () => void {
  let told = false;
  return () => {
    const idle = pool.idle > 0;
    if (idle !== told) link.tell({ type: 'idle', idle });
    told = idle;
  };
}
