/** One of several processes that serve the same visitors, each with a pool of its own. */
import cluster from 'node:cluster';
import { ServerPool } from '../../server/server-pool.ts';
import { TunnelServer, type TunnelServerOptions } from '../../server/tunnel-server.ts';
import { PassListener, passVisitor } from '../../server/visitor-pass.ts';
import { systemClock } from '../../shared/clock.ts';
import { formatAddress } from '../../shared/net/address.ts';
import { hasReusePort } from '../../shared/net/socket-options.ts';
import { Crowd } from '../../shared/relay/crowd.ts';
import { StallWatch } from '../../shared/relay/stall-watch.ts';
import { keepFreedMemory } from '../allocator.ts';
import { ExitCode } from '../exit-codes.ts';
import { makeLogger } from '../logging.ts';
import { logServer } from '../pool-log.ts';
import type { ServerSettings } from '../settings.ts';
import type { FromWorker, Setup, ToWorker } from './messages.ts';

/** How often a worker looks whether it has a connection idle, ms. */
const LOOK_MS = 20;

/** Default of the option, ms. */
const STALL_TIMEOUT_MS = 600_000;

export async function runWorker(settings: ServerSettings, index: number, count: number): Promise<ExitCode> {
  keepFreedMemory();
  const stopped = whenStopped();
  const { material, secret: hex } = await setup();
  const secret = Buffer.from(hex, 'hex');
  const passing = new Passing(secret, settings.tunnel.stallTimeoutMs ?? STALL_TIMEOUT_MS);
  const pool = new ServerPool(poolOptions(settings, index, count, material));
  const reusePort = canReuse(settings.tunnel.public);
  const server = new TunnelServer({ pool, ...settings.tunnel, reusePort, passOn: passing.passOn });
  passing.keep = (socket, visitor) => server.welcome(socket, visitor);
  const log = (await makeLogger(settings)).child({ worker: index });
  logServer(server, log);
  const passed = new PassListener(secret, systemClock, passing.keep);
  const look = setInterval(idleTeller(pool), LOOK_MS);
  try {
    const passPort = await passed.start();
    await server.start();
    const { address: listen, fingerprint } = pool;
    const { address: visitors } = server;
    if (listen !== undefined && visitors !== undefined) {
      const addresses = { listen: formatAddress(listen), public: formatAddress(visitors) };
      tell({ type: 'listening', ...addresses, fingerprint, passPort });
    }
    await stopped;
    const { gracePeriodMs: graceMs } = settings;
    await Promise.all([server.close({ graceMs }), passing.empty(graceMs)]);
    return ExitCode.clean;
  } finally {
    clearInterval(look);
    passed.close();
    // Not process.disconnect, behind which node:cluster would end the process before its exit code is set.
    cluster.worker?.disconnect();
  }
}

/** Visitors that find nothing idle here, and where they go. */
class Passing {
  #ports: readonly number[] = [];
  #next = 0;
  readonly #secret: Buffer;
  readonly #stallWatch: StallWatch;
  readonly #visitors = new Crowd<object>();
  /** Takes a visitor back that nobody else took. */
  keep: TunnelServer['welcome'] = () => {};

  constructor(secret: Buffer, stallTimeoutMs: number) {
    this.#secret = secret;
    this.#stallWatch = new StallWatch(systemClock, stallTimeoutMs);
    process.on('message', (message: ToWorker) => {
      if (message.type === 'peers') this.#ports = message.ports;
    });
  }

  readonly passOn: NonNullable<TunnelServerOptions['passOn']> = (socket, visitor) => {
    // In turn: their numbers are not known, only that they have some.
    const port = this.#ports[this.#next++ % this.#ports.length];
    if (port === undefined) return false;
    this.#visitors.add(socket);
    const left = (): void => this.#visitors.delete(socket);
    passVisitor({
      socket,
      visitor,
      port,
      secret: this.#secret,
      stallWatch: this.#stallWatch,
      onFailed: () => {
        left();
        this.keep(socket, visitor);
      },
      onEnd: left,
    });
    return true;
  };

  /** Resolves when all visitors that went through here are over, or after `graceMs`. */
  empty(graceMs: number): Promise<void> {
    return this.#visitors.empty(systemClock, graceMs);
  }
}

/** The settings of one of `count`: its share of the connections, and the certificate of all. */
function poolOptions(
  { pool }: ServerSettings,
  worker: number,
  workers: number,
  material: Setup['material'],
): ServerSettings['pool'] {
  const { maxCapacity, tls } = pool;
  return {
    ...pool,
    worker,
    workers,
    reusePort: pool.listen !== undefined && canReuse(pool.listen),
    ...(maxCapacity === undefined ? {} : { maxCapacity: Math.ceil(maxCapacity / workers) }),
    ...(material === undefined ? {} : { tls: { mode: 1, ...tls, cert: material.cert, key: material.key } }),
  };
}

/** With port 0 each would get a port of its own. */
function canReuse(address: ServerSettings['tunnel']['public']): boolean {
  const port = typeof address === 'string' ? Number(address.slice(address.lastIndexOf(':') + 1)) : address.port;
  return port !== 0 && hasReusePort(process.versions.node);
}

/** A function that tells the first process whether a connection is idle, when that has changed. */
function idleTeller(pool: ServerPool): () => void {
  let told = false;
  return () => {
    const idle = pool.idle > 0;
    if (idle !== told) tell({ type: 'idle', idle });
    told = idle;
  };
}

/** Asks the first process for what all have in common. */
function setup(): Promise<Setup> {
  return new Promise((resolve) => {
    const hear = (message: ToWorker): void => {
      if (message.type !== 'setup') return;
      process.off('message', hear);
      resolve(message);
    };
    process.on('message', hear);
    tell({ type: 'ready' });
  });
}

/** Resolves when it is to end in order. When the first process is gone, node:cluster ends this one at once. */
function whenStopped(): Promise<void> {
  return new Promise((resolve) => {
    // A terminal's signals reach all of its processes; the first one decides.
    process.on('SIGINT', () => {}).on('SIGHUP', () => {});
    process.on('SIGTERM', () => resolve());
    process.on('message', (message: ToWorker) => {
      if (message.type === 'stop') resolve();
    });
  });
}

function tell(message: FromWorker): void {
  process.send?.(message);
}
