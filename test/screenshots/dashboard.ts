/** `npm run screenshots`: two minutes of real visits, and docs/images/dashboard-{light,dark}.png of what the server shows. */
import { once } from 'node:events';
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Admin } from '../../src/cli/admin/admin.ts';
import { makeLogger } from '../../src/cli/logging.ts';
import { logServer } from '../../src/cli/pool-log.ts';
import { TunnelClient } from '../../src/client/tunnel-client.ts';
import { ServerPool } from '../../src/server/server-pool.ts';
import { TunnelServer } from '../../src/server/tunnel-server.ts';
import { ADMIN } from '../helpers/admin.ts';
import { findChromium, startBrowser } from '../helpers/browser.ts';
import { TOKEN } from '../helpers/pair.ts';
import { lasting } from '../helpers/visitor-load.ts';

const LASTS_MS = 120_000;
const TICK_MS = 100;

const chromium = findChromium();
if (chromium === undefined) throw new Error('no Chromium is installed');

/** A page of some size, after some time: what services are like. */
const target = createServer((_, response) => {
  setTimeout(() => response.end(Buffer.alloc(2000 + Math.random() ** 3 * 200_000)), 5 + Math.random() ** 2 * 120);
});
target.listen(0, '127.0.0.1');
await once(target, 'listening');
const { port } = target.address() as AddressInfo;

const admin = new Admin(ADMIN, 'server');
const log = await makeLogger({ logLevel: 'silent', logFormat: 'json' }, admin.notes.hear);
const listen = '127.0.0.1:0';
const server = new TunnelServer({ pool: new ServerPool({ listen, token: TOKEN }), public: listen });
logServer(server, log);
admin.watchServer('web', server);
const page = `http://${await admin.start(log)}/`;
await server.start();
const dial = server.pool.address as { host: string; port: number };
const client = () =>
  new TunnelClient({
    pool: { dial, token: TOKEN, minCapacity: 6, maxCapacity: 20 },
    target: { host: '127.0.0.1', port },
  });
const clients = [client(), client(), client()];

/** One visitor with one request. */
function visit(): void {
  const { host, port: at } = server.address as { host: string; port: number };
  get({ host, port: at, path: '/', agent: false }, (response) => response.resume().on('error', () => {})).on(
    'error',
    () => {},
  );
}

await using browser = await startBrowser(chromium);
const viewport = { width: 1280, height: 900 };
const pages = await Promise.all(
  (['light', 'dark'] as const).map(async (colorScheme) => {
    const context = await browser.newContext({ colorScheme, viewport, deviceScaleFactor: 1 });
    const opened = await context.newPage();
    await opened.goto(page);
    return { colorScheme, opened };
  }),
);
await clients[0]?.start();
const until = performance.now() + LASTS_MS;
for (let tick = 0; performance.now() < until; tick += 1) {
  const seconds = (tick * TICK_MS) / 1000;
  if (tick === 100) await clients[1]?.start();
  if (tick === 300) await clients[2]?.start();
  const burst = seconds % 40 > 37 ? 120 : 0;
  const perSecond = 22 + 14 * Math.sin(seconds / 11) + 4 * Math.random() + burst;
  for (let owed = perSecond * (TICK_MS / 1000); owed > Math.random(); owed -= 1) visit();
  await lasting(TICK_MS);
}
for (const { colorScheme, opened } of pages) {
  const path = fileURLToPath(new URL(`../../../docs/images/dashboard-${colorScheme}.png`, import.meta.url));
  await opened.screenshot({ path, fullPage: true });
  console.log(path);
}
admin.close();
await Promise.all([...clients.map((one) => one.close({ graceMs: 0 })), server.close({ graceMs: 0 })]);
target.close();
