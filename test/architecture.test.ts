import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** The doors of docs/architecture.md: which rooms each room may import from, besides itself. */
const DOORS: Readonly<Record<string, readonly string[]>> = {
  index: [
    'server',
    'client',
    'balancer',
    'base',
    'net',
    'tls',
    'policy',
    'wire',
    'resilience',
    'pool',
    'group',
    'relay',
    'session',
    'tunnel',
  ],
  cli: ['server', 'client', 'balancer', 'base', 'net', 'tls', 'policy', 'resilience', 'relay', 'tunnel', 'telemetry'],
  telemetry: [
    'server',
    'client',
    'balancer',
    'base',
    'net',
    'resilience',
    'pool',
    'group',
    'relay',
    'session',
    'tunnel',
  ],
  server: ['base', 'net', 'tls', 'policy', 'wire', 'resilience', 'pool', 'relay', 'session', 'tunnel'],
  client: ['base', 'net', 'tls', 'policy', 'wire', 'resilience', 'pool', 'group', 'session', 'tunnel'],
  balancer: ['base', 'net', 'policy', 'pool', 'relay', 'tunnel'],
  tunnel: ['base', 'net', 'policy', 'wire', 'resilience', 'pool', 'relay', 'session'],
  group: ['base', 'net', 'policy', 'resilience', 'pool'],
  request: ['base', 'resilience', 'pool'],
  pool: ['base'],
  relay: ['base', 'net'],
  session: ['base', 'net', 'wire'],
  net: ['base'],
  tls: ['base'],
  policy: ['base'],
  wire: ['base'],
  resilience: ['base', 'wire'],
  base: [],
};

/** Files directly under src/shared that every room may use. */
const BASE = new Set(['abort', 'clock', 'close-reason', 'errors', 'events', 'load-meter', 'options', 'units']);

/** The files that may hold sockets: the edges. Types are free. */
const SOCKETS: Readonly<Record<string, readonly string[]>> = {
  'node:tls': [
    'server/arrival.ts',
    'client/dial.ts',
    'client/http-proxy.ts',
    'shared/request/socket-factory.ts',
    'shared/tls/modes.ts',
    'shared/tls/exporter.ts',
  ],
  'node:dgram': ['shared/tunnel/datagram-socket.ts'],
  'node:http': [
    'balancer/asked-message.ts',
    'balancer/http-door.ts',
    'balancer/server-call.ts',
    'client/http-proxy.ts',
    'shared/tunnel/health-check.ts',
  ],
  'node:https': ['client/http-proxy.ts'],
  'node:net': [
    'server/acceptor.ts',
    'server/server-listener-options.ts',
    'server/visitor-pass.ts',
    'client/dial.ts',
    'client/http-proxy.ts',
    'client/socks-proxy.ts',
    'shared/group/server-spec.ts',
    'shared/net/address.ts',
    'shared/net/address-rules.ts',
    'shared/net/host-read.ts',
    'shared/net/network.ts',
    'shared/net/proxy-header.ts',
    'shared/net/read-memory.ts',
    'shared/request/socket-factory.ts',
    'shared/tunnel/datagram-socket.ts',
    'shared/tunnel/target.ts',
    'shared/tunnel/target-flow.ts',
    'shared/tunnel/visitor-listener.ts',
    'shared/tls/authority.ts',
    'shared/tls/modes.ts',
    'shared/wire/fields.ts',
  ],
};

const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.ts'),
);

function roomOf(file: string): string {
  const [first = '', second = '', ...rest] = file.split('/');
  if (first !== 'shared') return first.replace('.ts', '');
  const name = second.replace('.ts', '');
  return rest.length === 0 && BASE.has(name) ? 'base' : name;
}

/** What a file imports, and whether only types come in. */
function importsOf(file: string): { from: string; typeOnly: boolean }[] {
  const code = readFileSync(join(root, 'src', file), 'utf8');
  const lines = code.matchAll(/^(?:import|export)\s+(type\s)?[^;]*?from\s+'([^']+)';|import\('([^']+)'\)/gms);
  return [...lines].map(([, type, from, late]) => ({ from: from ?? late ?? '', typeOnly: type !== undefined }));
}

test('every import goes through a door of the house', (t) => {
  t.true(files.length > 50);
  for (const file of files) {
    const room = roomOf(file);
    for (const { from } of importsOf(file).filter((one) => one.from.startsWith('.'))) {
      const target = roomOf(relative('.', normalize(join(dirname(file), from))));
      const open = target === room || DOORS[room]?.includes(target);
      t.true(open, `${file} (room ${room}) imports ${from} (room ${target})`);
    }
  }
});

test('telemetry listens to what it knows by its types alone', (t) => {
  for (const file of files.filter((one) => roomOf(one) === 'telemetry')) {
    for (const { from, typeOnly } of importsOf(file)) {
      const target = from.startsWith('.') ? roomOf(normalize(join(dirname(file), from))) : 'telemetry';
      t.true(typeOnly || ['telemetry', 'base', 'net'].includes(target), `${file} imports ${from}`);
    }
  }
});

test('sockets stay at the edges', (t) => {
  for (const file of files.filter((one) => !one.startsWith('cli/'))) {
    for (const { from, typeOnly } of importsOf(file)) {
      const edges = SOCKETS[from];
      t.true(edges === undefined || typeOnly || edges.includes(file), `${file} imports ${from}`);
    }
  }
});

test('the table of docs/architecture.md is the one that is kept', (t) => {
  const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8').replaceAll(/ +/g, ' ');
  for (const [room, doors] of Object.entries(DOORS)) {
    const row = `| ${room} | ${doors.length === 0 ? 'node: only' : doors.join(', ')} |`;
    t.true(page.includes(row), `missing: ${row}`);
  }
});
