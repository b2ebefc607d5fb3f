import { readFileSync } from 'node:fs';
import test from 'ava';
import { makeReport } from '../../src/cli/admin/local-source.ts';
import { BALANCE_FAMILIES, BALANCE_HISTOGRAMS } from '../../src/shared/telemetry/balance-families.ts';
import {
  HISTOGRAM_FAMILIES,
  LISTENER_FAMILIES,
  NUMBER_FAMILIES,
  PUBLIC_FAMILIES,
} from '../../src/shared/telemetry/families.ts';
import { DatagramCounts } from '../../src/shared/tunnel/datagram-stats.ts';
import { snapshotOf } from '../helpers/snapshots.ts';

// ava runs in the project's root.
const page = readFileSync('docs/operations.md', 'utf8');
const lines = new Set(page.split('\n').map((line) => line.replaceAll(/ +/g, ' ')));

test('every metric is on the page as it is, and the page has no other', (t) => {
  const ofTunnels = [...NUMBER_FAMILIES, ...HISTOGRAM_FAMILIES, ...LISTENER_FAMILIES, ...PUBLIC_FAMILIES];
  const families = [...ofTunnels, ...BALANCE_FAMILIES, ...BALANCE_HISTOGRAMS];
  for (const { name, type, labels = [], help } of families) {
    const row = `| \`${name}\` | ${type} | ${labels.join(', ')} | ${help} |`.replaceAll(/ +/g, ' ');
    t.true(lines.has(row), row);
  }
  const names = new Set(families.map(({ name }) => name));
  for (const [name] of page.matchAll(/\bpoold_[a-z_]+/g)) t.true(names.has(name.replace(/_bucket$/, '')), name);
});

test('the page has every part of a status, and no other', (t) => {
  const example = /```jsonc\n(.*?)```/s.exec(page)?.[1] ?? '';
  const documented = JSON.parse(example.replaceAll(/\/\/.*$/gm, '').replaceAll(/,(\s*[}\]])/g, '$1')) as object;
  const traffic = { visits: 0, bytesReceived: 0, bytesSent: 0 };
  const peer = { peer: 'p', remote: 'r', since: 's', idle: 0, inUse: 0, ...traffic };
  const peers = [{ ...peer, healthy: true, breaker: 'closed' as const, lastError: 'e' }];
  const targets = [{ target: 't', up: true, inUse: 0, total: 0, failed: 0, warm: 0 }];
  const datagrams = new DatagramCounts().snapshot({ flows: 0, carriers: 0 });
  const limit = { bytesPerSecond: 0, throttledMs: 0 };
  const bandwidth = { upload: limit, download: limit };
  const tunnel = { ...snapshotOf({}), peers, targets, entrance: 'e', listen: 'l', datagrams, bandwidth };
  const process = { name: 'main', memoryBytes: 0, busy: 0 };
  const listener = { listen: 'l', arriving: 0, slowedAddresses: 0, handshakesFailed: {} };
  const closed = { answered: 0, refused: 0, broken: 0, 'client-left': 0, upgraded: 0 };
  const answers = { '1xx': 0, '2xx': 0, '3xx': 0, '4xx': 0, '5xx': 0 };
  const balancer = {
    listen: 'l',
    clients: 0,
    requests: { on: 0, waiting: 0, opened: 0, closed, answers, retries: 0 },
    bytes: { received: 0, sent: 0 },
    refused: {},
    servers: [{ server: 's', up: true, inUse: 0, total: 0, failed: 0 }],
    ready: true,
    times: { request: tunnel.times.wait },
  };
  const shared = { listen: 'l', reading: 0, refused: {} };
  const snapshots = { tunnels: [tunnel], listeners: [listener], publics: [shared], balancers: [balancer] };
  const real = makeReport('server', [process], snapshots);
  // By reason, and by kind of duration: one stands for all.
  const open = /\.(closed|refused|failed|handshakesFailed)\.|\.times\.(dial|visit)/;
  const keys = (value: object): string[] => keysOf(value).filter((key) => !open.test(key));
  t.deepEqual(keys(documented), keys(real));
});

/** The paths of everything in a value, `tunnels.0.visits.on`, sorted; of a list of numbers none. */
function keysOf(value: object, prefix = ''): string[] {
  return Object.entries(value)
    .flatMap(([key, inner]) => {
      if (typeof inner === 'number' && Array.isArray(value)) return [];
      const path = `${prefix}.${key}`;
      return typeof inner === 'object' && inner !== null ? [path].concat(keysOf(inner as object, path)) : [path];
    })
    .sort();
}

test('the page has every flag about the admin address', (t) => {
  for (const flag of ['--admin', '--admin-host', '--admin-token-file', '--watch', '--json'])
    t.true(page.includes(`\`${flag}`));
});
