/** `poold demo`: the whole pair on this machine, with a small web page as the target, and a dashboard of both ends. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { TunnelClient } from '../client/tunnel-client.ts';
import { ServerPool } from '../server/server-pool.ts';
import { TunnelServer } from '../server/tunnel-server.ts';
import { formatAddress } from '../shared/net/address.ts';
import { Admin } from './admin/admin.ts';
import { DEMO_PAGE } from './demo-page.ts';
import { ExitCode } from './exit-codes.ts';
import { makeLogger } from './logging.ts';
import { logClient, logServer } from './pool-log.ts';
import { untilStopped } from './signals.ts';
import { makeToken } from './token.ts';

/** Pooled connections that the demo keeps. */
const IDLE = 8;

/** How often the line of the pool is looked at, ms. */
const LINE_MS = 1000;

/** What the page and the line show. */
interface DemoStats {
  readonly idle: number;
  readonly inUse: number;
  readonly visits: number;
  /** Handshakes since the start. */
  readonly created: number;
}

/** Runs until SIGTERM or SIGINT. */
export async function runDemo({ port }: { readonly port: number }): Promise<ExitCode> {
  // Heard from the first moment on; what there is to end, this function ends itself.
  const stopping = new AbortController();
  const stopped = untilStopped({ stop: async () => stopping.abort(), reload: () => {} });
  const token = makeToken();
  const admin = new Admin({ listen: { host: '127.0.0.1', port: 0 }, hosts: [], tokens: [], warnings: [] }, 'demo');
  // The dashboard shows what a log would say.
  const log = await makeLogger({ logLevel: 'silent', logFormat: 'json' }, admin.notes.hear);
  let visits = 0;
  const server = new TunnelServer({
    pool: new ServerPool({ listen: '127.0.0.1:0', token }),
    public: { host: '127.0.0.1', port },
  });
  server.on('visitOpened', () => (visits += 1));
  logServer(server, log);
  admin.watchServer('demo', server);
  const stats = (): DemoStats => {
    const { idle, inUse, created } = server.pool.stats();
    return { idle, inUse, visits, created };
  };
  const [page, target] = await startPage(stats);
  let client: TunnelClient | undefined;
  try {
    const dashboard = await admin.start(log);
    await server.start();
    const dial = server.pool.address;
    if (dial === undefined || server.address === undefined) throw new Error('the demo does not listen');
    client = new TunnelClient({ pool: { dial, token, minCapacity: IDLE, maxCapacity: 64 }, target });
    logClient(client, log);
    admin.watchClient('demo', client);
    await client.start();
    await Promise.race([server.pool.warmed(IDLE), stopped]);
    if (!stopping.signal.aborted) {
      console.log(`open http://${formatAddress(server.address)}/ in a browser; Ctrl+C ends the demo`);
      console.log(`the dashboard is at http://${dashboard}/`);
      const line = showLine(stats);
      await stopped;
      clearInterval(line);
      if (process.stdout.isTTY) console.log();
    }
    return ExitCode.clean;
  } finally {
    admin.close();
    await Promise.all([client?.close({ graceMs: 0 }), server.close({ graceMs: 0 })]);
    page.closeAllConnections();
    page.close();
  }
}

async function startPage(stats: () => DemoStats): Promise<[Server, AddressInfo & { host: string }]> {
  const page = createServer((request, response) => {
    const isStats = request.url === '/stats';
    const isPage = request.url === '/';
    const type = isStats ? 'application/json' : isPage ? 'text/html; charset=utf-8' : 'text/plain';
    response.writeHead(isStats || isPage ? 200 : 404, { 'content-type': type, 'cache-control': 'no-store' });
    response.end(isStats ? JSON.stringify(stats()) : isPage ? DEMO_PAGE : 'not found\n');
  });
  page.listen(0, '127.0.0.1');
  await once(page, 'listening');
  const address = page.address() as AddressInfo;
  return [page, { ...address, host: address.address }];
}

/** On a terminal one line, rewritten in place; elsewhere a new line when something has changed. */
function showLine(stats: () => DemoStats): NodeJS.Timeout {
  let last = '';
  const show = (): void => {
    const { idle, inUse, visits, created } = stats();
    const text = `pool: ${idle} idle, ${inUse} in use · ${visits} visits over ${created} connections`;
    if (text === last) return;
    if (process.stdout.isTTY) process.stdout.write(`\r${text}\u001B[K`);
    else console.log(text);
    last = text;
  };
  show();
  return setInterval(show, LINE_MS);
}
