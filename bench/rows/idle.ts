/** Row "idle": what pooled TLS connections cost while nobody uses them. */
import { table } from '../figures.ts';
import { ask, cpuMs, pause, stop } from '../processes.ts';
import type { Goal, Row } from '../row.ts';
import { bareTls, type Counts, pooldPair, stopWays } from '../ways.ts';

/** Resident memory after a collection, bytes. */
interface Memory {
  readonly connections: number;
  readonly serverBytes: number;
  readonly clientBytes: number;
}

interface IdleFigures extends Memory {
  /** CPU at rest, % of a core. */
  readonly serverCpu: number;
  readonly clientCpu: number;
}

/** kB a connection, % of a core. */
const LIMITS = { server: 32, client: 40, cpu: 5 };

export const idleRow: Row = async ({ target, quick, progress }) => {
  const figures: IdleFigures[] = [];
  const bare: Memory[] = [];
  for (const connections of quick ? [8, 100, 200] : [8, 1000, 10_000]) {
    progress(`idle, ${connections} connections`);
    figures.push(await measure(target, connections, quick ? 500 : 60_000));
    bare.push(await measureBare(connections));
  }
  const [, thousand, many] = figures as [IdleFigures, IdleFigures, IdleFigures];
  const each = (from: Memory, to: Memory, side: 'serverBytes' | 'clientBytes'): number =>
    (to[side] - from[side]) / (to.connections - from.connections) / 1000;
  const growth = (from: Memory, to: Memory): string =>
    `${each(from, to, 'serverBytes').toFixed(1)} / ${each(from, to, 'clientBytes').toFixed(1)}`;
  const rows = figures.slice(1).map((now, index) => {
    return [
      String(now.connections),
      growth(figures[index] as Memory, now),
      growth(bare[index] as Memory, bare[index + 1] as Memory),
      `${(now.serverBytes / 1e6).toFixed(0)} / ${(now.clientBytes / 1e6).toFixed(0)}`,
      `${now.serverCpu.toFixed(1)} / ${now.clientCpu.toFixed(1)}`,
    ];
  });
  const goal = (what: string, figure: number, limit: number, unit: string): Goal => {
    return { what, figure, limit, sense: 'at most', unit };
  };
  const head = [
    'connections',
    'kB for each more, server / client',
    'the same, bare tls.connect',
    'MB in all, server / client',
    'CPU at rest, % of a core',
  ];
  const range = `from ${thousand.connections} to ${many.connections}`;
  return {
    text: `TLS 1, keep-alive 30 s.\n\n${table(head, rows)}`,
    figures: { poold: figures, bare },
    goals: [
      goal(`memory of an idle connection, server, ${range}`, each(thousand, many, 'serverBytes'), LIMITS.server, 'kB'),
      goal(`memory of an idle connection, client, ${range}`, each(thousand, many, 'clientBytes'), LIMITS.client, 'kB'),
      goal(`CPU of ${many.connections} idle connections, server`, many.serverCpu, LIMITS.cpu, '% of a core'),
      goal(`CPU of ${many.connections} idle connections, client`, many.clientCpu, LIMITS.cpu, '% of a core'),
    ],
    lost: 0,
  };
};

async function measure(target: number, connections: number, restMs: number): Promise<IdleFigures> {
  const max = ['--max', 2 * connections + 64];
  const nodeFlags = ['--expose-gc'];
  const way = await pooldPair(target, { tls: 1, min: connections, serverFlags: max, clientFlags: max, nodeFlags });
  const { server, client } = way.pair as NonNullable<typeof way.pair>;
  // What the handshakes left behind is collected before the rest begins.
  await ask<Counts>(server, 'collect');
  await ask<Counts>(client, 'collect');
  await pause(1000);
  const before = [cpuMs([server]), cpuMs([client])] as const;
  await pause(restMs);
  const share = (child: typeof server, from: number): number => ((cpuMs([child]) - from) / restMs) * 100;
  const [serverCpu, clientCpu] = [share(server, before[0]), share(client, before[1])];
  const [{ rssBytes: serverBytes }, { rssBytes: clientBytes }] = [
    await ask<Counts>(server, 'memory'),
    await ask<Counts>(client, 'memory'),
  ];
  await stopWays([way]);
  return { connections, serverBytes, clientBytes, serverCpu, clientCpu };
}

async function measureBare(connections: number): Promise<Memory> {
  const { server, client } = await bareTls(connections, { atATime: 32, nodeFlags: ['--expose-gc'] });
  await ask<Counts>(server, 'collect');
  await ask<Counts>(client, 'collect');
  await pause(1000);
  const [{ rssBytes: serverBytes }, { rssBytes: clientBytes }] = [
    await ask<Counts>(server, 'memory'),
    await ask<Counts>(client, 'memory'),
  ];
  await stop([server, client]);
  return { connections, serverBytes, clientBytes };
}
