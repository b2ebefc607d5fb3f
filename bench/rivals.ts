/** Other programs that carry a visitor to the target, measured beside poold where they are installed. */
import { access, constants, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { freePort, pause, startListening } from './processes.ts';
import type { Way } from './ways.ts';

/** Those of the rivals that are on the PATH, running. */
export async function installedRivals(target: number): Promise<Way[]> {
  const ways: Way[] = [];
  for (const { command, start } of RIVALS) {
    const path = await find(command);
    if (path !== undefined) ways.push(await start(path, target));
  }
  return ways;
}

const RIVALS: readonly { command: string; start: (path: string, target: number) => Promise<Way> }[] = [
  { command: 'haproxy', start: haproxy },
  { command: 'rathole', start: rathole },
];

/** Two hops of haproxy in TCP mode, one thread each: the floor, for it does not cross a NAT. */
async function haproxy(path: string, target: number): Promise<Way> {
  const hop = async (to: number): Promise<{ port: number; process: Way['hops'][number] }> => {
    const port = await freePort();
    const file = await configFile(
      'haproxy.cfg',
      `global
  nbthread 1
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  maxconn 10000
listen hop
  bind 127.0.0.1:${port} backlog 4096
  server next 127.0.0.1:${to}
`,
    );
    return { port, process: await startListening(path, ['-f', file], port) };
  };
  const inner = await hop(target);
  const outer = await hop(inner.port);
  const hops = [outer.process, inner.process];
  return { name: 'haproxy, two hops', port: outer.port, hops, processes: hops };
}

/** rathole over TCP without encryption, a tunnel like poold's with TLS 0. */
async function rathole(path: string, target: number): Promise<Way> {
  const [control, visitors] = [await freePort(), await freePort()];
  const service = 'default_token = "benchmark"';
  const serverFile = await configFile(
    'server.toml',
    `[server]\nbind_addr = "127.0.0.1:${control}"\n${service}\n[server.services.bench]\nbind_addr = "127.0.0.1:${visitors}"\n`,
  );
  const clientFile = await configFile(
    'client.toml',
    `[client]\nremote_addr = "127.0.0.1:${control}"\n${service}\n[client.services.bench]\nlocal_addr = "127.0.0.1:${target}"\n`,
  );
  const server = await startListening(path, ['--server', serverFile], control);
  const client = await startListening(path, ['--client', clientFile], visitors);
  // It listens before its data channels are there.
  await pause(1000);
  return { name: 'rathole, plain', port: visitors, hops: [server, client], processes: [server, client] };
}

async function configFile(name: string, text: string): Promise<string> {
  const file = join(await mkdtemp(join(tmpdir(), 'poold-bench-')), name);
  await writeFile(file, text);
  return file;
}

async function find(command: string): Promise<string | undefined> {
  // Debian keeps servers beside what users have on their PATH.
  for (const folder of [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin']) {
    const path = join(folder, command);
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  return undefined;
}
