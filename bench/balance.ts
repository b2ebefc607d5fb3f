/**
 * `npm run bench:balance`: poold balance beside haproxy and nginx, each with one thread before the same two servers (nginx),
 * in turns. Linux, with wrk, haproxy and nginx on the PATH or in /usr/sbin. Prints a table for docs/balance.md.
 *
 * Every way does the same work: connections to the servers are kept, X-Forwarded-For and -Proto written, nothing logged.
 */
import { type ChildProcess, execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { median } from './figures.ts';
import { cpuMs, freePort, pause, script, startListening, startNode, stop } from './processes.ts';

/** How often each way is measured, and for how long, s. */
const ROUNDS = 3;
const SECONDS = 4;

/** Before the first look at a way: the JIT has seen its requests, s. */
const WARM_UP_SECONDS = 4;

interface Way {
  readonly name: string;
  readonly port: number;
  readonly process: ChildProcess;
}

interface Work {
  readonly name: string;
  readonly path: string;
  readonly clients: number;
  /** What wrk is told to do besides. */
  readonly script?: string;
}

interface Result {
  readonly perSecond: number;
  readonly p99Ms: number;
  readonly failed: number;
  readonly cpuUs: number;
}

const POST = `wrk.method = "POST"\nwrk.body = string.rep("x", 1024)\n`;

const WORKS: readonly Work[] = [
  { name: 'GET, 48 B', path: '/', clients: 32 },
  { name: 'GET, 48 B', path: '/', clients: 256 },
  { name: 'GET, 100 KiB', path: '/100k', clients: 32 },
  { name: 'POST of 1 KiB', path: '/', clients: 32, script: POST },
];

const folder = await mkdtemp(join(tmpdir(), 'poold-balance-'));
const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin`;
process.env['PATH'] = PATH;

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

function nginxConf(http: string): string {
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const temporary = places.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ');
  return `worker_processes 1; daemon off; master_process off; pid ${folder}/pid-${Math.random()}; error_log ${folder}/errors;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 1000000000; ${temporary} ${http} }`;
}

async function nginx(name: string, port: number, http: string): Promise<ChildProcess> {
  return startListening('nginx', ['-c', await file(`${name}.conf`, nginxConf(http)), '-e', `${folder}/errors`], port);
}

async function startServers(): Promise<{ ports: number[]; processes: ChildProcess[] }> {
  const ports = [await freePort(), await freePort()];
  await file('100k', 'x'.repeat(100 * 1024));
  const processes = await Promise.all(
    ports.map((port, at) =>
      nginx(
        `server-${at}`,
        port,
        `server { listen 127.0.0.1:${port} backlog=4096; location / { return 200 "${'hello! '.repeat(7)}"; }
         location /100k { alias ${folder}/100k; } }`,
      ),
    ),
  );
  return { ports, processes };
}

async function startWays([one, two]: readonly number[]): Promise<Way[]> {
  const [proxy, balancer, ours] = [await freePort(), await freePort(), await freePort()];
  const haproxy = await file(
    'haproxy.cfg',
    `global
  nbthread 1
defaults
  mode http
  option forwardfor
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  retries 2
  option redispatch
listen balance
  bind 127.0.0.1:${proxy} backlog 4096
  maxconn 8000
  http-request set-header X-Forwarded-Proto http
  server one 127.0.0.1:${one} maxconn 256 check
  server two 127.0.0.1:${two} maxconn 256 check
`,
  );
  const upstream = `upstream servers { server 127.0.0.1:${one}; server 127.0.0.1:${two}; keepalive 256; }
server { listen 127.0.0.1:${balancer} backlog=4096; location / { proxy_pass http://servers; proxy_http_version 1.1;
 proxy_set_header Connection ""; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto http;
 proxy_set_header X-Forwarded-For $remote_addr; } }`;
  const poold = [script('../../bin/poold.js'), 'balance', '--listen', `${ours}`, '--server', `${one},${two}`];
  return [
    { name: 'poold balance', port: ours, process: await startNode(poold, /balancing/) },
    { name: 'haproxy', port: proxy, process: await startListening('haproxy', ['-f', haproxy], proxy) },
    { name: 'nginx', port: balancer, process: await nginx('balancer', balancer, upstream) },
  ];
}

async function load(way: Way, work: Work, seconds: number): Promise<Result> {
  const url = `http://127.0.0.1:${way.port}${work.path}`;
  const lua = work.script === undefined ? [] : ['-s', await file('work.lua', work.script)];
  const before = cpuMs([way.process]);
  const { stdout } = await promisify(execFile)('wrk', [
    '-t1',
    `-c${work.clients}`,
    `-d${seconds}s`,
    '--latency',
    ...lua,
    url,
  ]);
  const usedMs = cpuMs([way.process]) - before;
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1]);
  const [, p99 = '', unit = ''] = /99%\s+([\d.]+)(us|ms|s)/.exec(stdout) ?? [];
  const factor = { us: 0.001, ms: 1, s: 1000 }[unit] ?? Number.NaN;
  const failed = Number(/Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? 0);
  const errors = [...(/Socket errors: (.*)/.exec(stdout)?.[1] ?? '').matchAll(/\d+/g)].map(Number);
  return {
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
    p99Ms: Number(p99) * factor,
    failed: errors.reduce((sum, one) => sum + one, failed),
    cpuUs: (usedMs * 1000) / requests,
  };
}

const servers = await startServers();
try {
  const ways = await startWays(servers.ports);
  console.log('| work | clients | way | requests/s | p99, ms | failed | CPU, µs a request | × haproxy |');
  console.log('| --- | --- | --- | --- | --- | --- | --- | --- |');
  for (const work of WORKS) {
    const results = new Map<Way, Result[]>(ways.map((way) => [way, []]));
    for (const way of ways) await load(way, work, WARM_UP_SECONDS);
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const way of ways) {
        await pause(200);
        results.get(way)?.push(await load(way, work, SECONDS));
      }
    }
    const cpu = (way: Way): number => median((results.get(way) ?? []).map(({ cpuUs }) => cpuUs));
    const base = cpu(ways[1] as Way);
    for (const way of ways) {
      const all = results.get(way) ?? [];
      const cells = [
        Math.round(median(all.map(({ perSecond }) => perSecond))).toLocaleString('en-GB'),
        median(all.map(({ p99Ms }) => p99Ms)).toFixed(1),
        all.reduce((sum, { failed }) => sum + failed, 0),
        cpu(way).toFixed(1),
        (cpu(way) / base).toFixed(1),
      ];
      console.log(`| ${[work.name, work.clients, way.name, ...cells].join(' | ')} |`);
    }
  }
} finally {
  await stop();
  await rm(folder, { recursive: true });
}
