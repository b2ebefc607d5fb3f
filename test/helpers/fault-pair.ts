/** Both commands with a {@link FaultProxy} between them: processes that are killed, stopped and started again. */
import type { ExecutionContext } from 'ava';
import type { Child } from './child.ts';
import { startCli, textFile } from './cli.ts';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';
import { freePort } from './targets.ts';

/** Connections that the client keeps idle: more than there are visitors at a time. */
export const IDLE = 8;

export interface FaultPairOptions {
  readonly flow?: 'reverse' | 'forward';
  /** The target's port. */
  readonly target: number;
  /** More flags: of both sides, of that where visitors come in, of the server, of the client. */
  readonly both?: readonly string[];
  readonly entrance?: readonly string[];
  readonly server?: readonly string[];
  readonly client?: readonly string[];
  /** More environment, for both. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface FaultPair {
  readonly proxy: FaultProxy;
  /** Where visitors come in. */
  readonly port: number;
  /** The processes that run now, or ran last. */
  readonly server: Child;
  readonly client: Child;
  /** Starts a server in place of one that has ended; resolves when it listens. */
  startServer(): Promise<Child>;
  /** Starts a client in place of one that has ended, or one more with another target; resolves when it begins to dial. */
  startClient(target?: number): Promise<Child>;
}

/** Resolves when the pair is warm. What it has started ends with the test. */
export async function startFaultPair(t: ExecutionContext, options: FaultPairOptions): Promise<FaultPair> {
  const { flow = 'reverse', target, both = [], entrance = [], env } = options;
  const file = await textFile(t, 'the token of the fault suite');
  const [listen, port] = [await freePort(), await freePort()];
  const proxy = await startFaultProxy(listen);
  const children: Child[] = [];
  t.teardown(async () => {
    await Promise.all(children.map((child) => child[Symbol.asyncDispose]()));
    await proxy[Symbol.asyncDispose]();
  });
  const common = ['--tls', '1', '--token-file', file, '--flow', flow, ...both];
  const visitors = `127.0.0.1:${port}`;
  const serverEnd = flow === 'forward' ? ['--target', `${target}`] : ['--public', visitors, ...entrance];
  const clientEnd = (to: number) => (flow === 'forward' ? ['--local', visitors, ...entrance] : ['--target', `${to}`]);
  const start = async (args: readonly string[], sign: RegExp): Promise<Child> => {
    const child = startCli([...args, ...common], env);
    children.push(child);
    await child.printed(sign);
    return child;
  };
  const startServer = (): Promise<Child> =>
    start(['server', '--listen', `127.0.0.1:${listen}`, ...serverEnd, ...(options.server ?? [])], /"listening"/);
  const startClient = (to = target): Promise<Child> =>
    start(
      [
        'client',
        '--server',
        `127.0.0.1:${proxy.port}`,
        '--min',
        `${IDLE}`,
        ...clientEnd(to),
        ...(options.client ?? []),
      ],
      /"dialling"/,
    );
  let server = await startServer();
  let client = await startClient();
  await client.printed(/"warm"/);
  return {
    proxy,
    port,
    get server() {
      return server;
    },
    get client() {
      return client;
    },
    startServer: async () => (server = await startServer()),
    startClient: async (to) => {
      const started = await startClient(to);
      if (to === undefined) client = started;
      return started;
    },
  };
}
