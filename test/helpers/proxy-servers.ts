/** Real servers that want a PROXY header and answer each request with the addresses that it named. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startChild } from './child.ts';
import { until } from './events.ts';
import { freePort } from './targets.ts';

/** How often a server that starts is asked whether it listens, ms. */
const KNOCK_MS = 20;

export type ProxyServer = 'nginx' | 'haproxy';

const nginx = (port: number): string => `
daemon off; pid nginx.pid; error_log stderr warn; worker_processes 1;
events {}
http {
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {
    listen 127.0.0.1:${port} proxy_protocol;
    default_type text/plain;
    return 200 "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr $proxy_protocol_server_port";
  }
}`;

const haproxy = (port: number): string => `
defaults
  mode http
  timeout client 5s
  timeout connect 5s
  timeout server 5s
frontend visitors
  bind 127.0.0.1:${port} accept-proxy
  http-request return status 200 content-type text/plain lf-string "%ci %cp %fi %fp"
`;

/** Whether it is installed; says so loudly when it is not. */
export function hasServer(name: ProxyServer): boolean {
  if (spawnSync(name, ['-v']).error === undefined) return true;
  console.error(`SKIPPED: ${name} is not installed, and does not judge the PROXY headers`);
  return false;
}

/** Starts one on a free port; what it has to complain about is its `output`. */
export async function startProxyServer(name: ProxyServer) {
  const folder = await mkdtemp(join(tmpdir(), 'poold-'));
  const port = await freePort();
  const config = join(folder, 'server.conf');
  await writeFile(config, name === 'nginx' ? nginx(port) : haproxy(port));
  const args = name === 'nginx' ? ['-p', folder, '-e', 'stderr', '-c', config] : ['-db', '-f', config];
  const child = startChild(name, args);
  let listens = false;
  const knock = (): void => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => setTimeout(knock, KNOCK_MS).unref());
    socket.on('connect', () => {
      listens = true;
      socket.end('PROXY UNKNOWN\r\n');
    });
  };
  knock();
  await until(() => listens, `${name} listens`);
  return {
    port,
    get output() {
      return child.output;
    },
    async [Symbol.asyncDispose]() {
      // SIGTERM, which both hand on to their workers.
      child.kill('SIGTERM');
      await child.ended();
      await rm(folder, { recursive: true });
    },
  };
}
