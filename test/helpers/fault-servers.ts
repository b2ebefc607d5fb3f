/** One client of several servers, all of them real commands: servers that are killed and come back on their ports. */
import type { ExecutionContext } from 'ava';
import type { Child } from './child.ts';
import { startCli, textFile } from './cli.ts';
import { freePort, type Target } from './targets.ts';

export interface FaultServer {
  /** As the client's log has it. */
  readonly name: string;
  /** Where its visitors come in; those of a forward tunnel all come in at the client. */
  readonly port: number;
  /** The process that runs now, or ran last. */
  readonly process: Child;
  /** Ends it without a word; resolves when it is gone. */
  kill(): Promise<void>;
  /** Starts it again; resolves when it listens. */
  start(): Promise<void>;
}

export interface FaultServers<T extends readonly Target[]> {
  readonly client: Child;
  /** In the order of the targets. */
  readonly servers: { readonly [K in keyof T]: FaultServer };
}

/**
 * Resolves when the client is warm at each server. What it has started ends with the test.
 *
 * @param targets one for each server: behind it in a forward tunnel; all behind the client in a reverse one
 */
export async function startFaultServers<const T extends readonly Target[]>(
  t: ExecutionContext,
  flow: 'reverse' | 'forward',
  targets: T,
): Promise<FaultServers<T>> {
  const file = await textFile(t, 'the token of the fault suite');
  const common = ['--flow', flow, '--token-file', file];
  const children: Child[] = [];
  t.teardown(async () => {
    await Promise.all(children.map((child) => child[Symbol.asyncDispose]()));
  });
  const start = async (args: readonly string[], sign: RegExp): Promise<Child> => {
    const child = startCli([...args, ...common]);
    children.push(child);
    await child.printed(sign);
    return child;
  };
  const local = await freePort();
  const startServer = async (target: Target): Promise<FaultServer> => {
    const name = `127.0.0.1:${await freePort()}`;
    const port = flow === 'forward' ? local : await freePort();
    const end = flow === 'forward' ? ['--target', `${target.port}`] : ['--public', `127.0.0.1:${port}`];
    const run = (): Promise<Child> => start(['server', '--listen', name, ...end], /"listening"/);
    let process = await run();
    return {
      name,
      port,
      get process() {
        return process;
      },
      async kill() {
        process.kill('SIGKILL');
        await process.ended();
      },
      async start() {
        process = await run();
      },
    };
  };
  const servers = await Promise.all(targets.map(startServer));
  const end =
    flow === 'forward' ? ['--local', `127.0.0.1:${local}`] : ['--target', targets.map(({ port }) => port).join()];
  const dials = servers.flatMap(({ name }) => ['--server', name]);
  const client = await start(['client', ...dials, ...end], new RegExp(`("warm"[^]*){${servers.length}}`));
  return { client, servers: servers as unknown as FaultServers<T>['servers'] };
}
