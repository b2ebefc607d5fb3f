/** Row "datagrams": UDP through a pair, beside two hops of a bare relay. */
import { column, inTurns, median, ratios, spread, sum, table, type Turns } from '../figures.ts';
import { freePort, program, run, startNode, stop } from '../processes.ts';
import type { Goal, Row } from '../row.ts';
import { type Cost, costOf, pooldPair, stopWays, type Way } from '../ways.ts';

type DatagramFigures = Cost & { readonly answered: number; readonly perSecond: number; readonly lost: number };

/** Visitors, and how many datagrams of how many bytes each has under way. */
const LOADS = [
  { visitors: 1, underWay: 1, bytes: 100 },
  { visitors: 1, underWay: 32, bytes: 1200 },
  { visitors: 32, underWay: 4, bytes: 100 },
  { visitors: 32, underWay: 4, bytes: 1200 },
  { visitors: 256, underWay: 1, bytes: 100 },
];

/** CPU a datagram with many visitors, × the bare relay. */
const CPU_LIMIT = 1;

/** The share of datagrams that may be lost: nothing promises more of UDP, but loopback loses none. */
const LOSS_LIMIT = 0.001;

async function bareRelay(target: number): Promise<Way> {
  const [outer, inner] = [await freePort(), await freePort()];
  const second = await startNode(program('bare-udp', inner, target), /ready/);
  const first = await startNode(program('bare-udp', outer, inner), /ready/);
  return { name: 'bare relay', port: outer, hops: [first, second], processes: [first, second] };
}

/** CPU of one datagram through both hops, µs; an answer is two. */
const cpuMicros = ({ cpuMs, answered }: DatagramFigures): number => (cpuMs * 1000) / (2 * answered);

export const datagramsRow: Row = async ({ turns, quick, progress }) => {
  const target = await freePort();
  const echo = await startNode(program('udp-echo', target), /ready/);
  const flags = { min: 8, serverFlags: ['--protocol', 'udp'], clientFlags: ['--protocol', 'udp'] };
  const pairs = [await pooldPair(target, { tls: 0, ...flags }), await pooldPair(target, { tls: 1, ...flags })];
  const ways = [await bareRelay(target), ...pairs];
  const load = (way: Way, { visitors, underWay, bytes }: (typeof LOADS)[number], ms: number) =>
    costOf(way, () => run<DatagramFigures>(program('datagrams', way.port, visitors, underWay, bytes, ms)));
  for (const way of ways) for (const one of LOADS) await load(way, one, quick ? 100 : 1000);
  const figures = new Map<string, Turns<DatagramFigures>>();
  for (const one of quick ? LOADS.slice(2, 3) : LOADS) {
    const what = `${one.visitors} × ${one.underWay}, ${one.bytes} B`;
    const taken = await inTurns(ways, turns, (way, turn) => {
      progress(`datagrams, ${what}, turn ${turn + 1} of ${turns}: ${way.name}`);
      return load(way, one, quick ? 500 : 3000);
    });
    figures.set(what, taken);
  }
  await stopWays(ways);
  await stop([echo]);
  const against = (taken: Turns<DatagramFigures>, name: string, pick: (figure: DatagramFigures) => number): number[] =>
    ratios(column(taken, name, pick), column(taken, 'bare relay', pick));
  const rows = [...figures].flatMap(([what, taken]) =>
    ways.map(({ name }) => [
      name,
      what,
      spread(against(taken, name, cpuMicros), 2),
      median(column(taken, name, cpuMicros)).toFixed(1),
      spread(
        against(taken, name, ({ perSecond }) => perSecond),
        2,
      ),
      median(column(taken, name, ({ perSecond }) => perSecond)).toFixed(0),
      String(sum(column(taken, name, (figure) => figure.lost))),
    ]),
  );
  const goals = [...figures]
    .filter(([what]) => what.startsWith('32 '))
    .flatMap(([what, taken]) =>
      pairs.map(({ name }): Goal => {
        const figure = median(against(taken, name, cpuMicros));
        return {
          what: `CPU a datagram, ${what}, ${name}`,
          figure,
          limit: CPU_LIMIT,
          sense: 'at most',
          unit: '× bare relay',
        };
      }),
    );
  const all = [...figures.values()].flatMap((taken) => pairs.flatMap(({ name }) => taken.get(name) ?? []));
  const lost = sum(all.map((figure) => figure.lost));
  const head = [
    'way',
    'visitors × under way',
    'CPU a datagram, × bare relay',
    'CPU, µs',
    'answers/s, ×',
    'answers/s',
    'lost',
  ];
  return {
    text: `Echoes; CPU of both hops.\n\n${table(head, rows)}`,
    figures: Object.fromEntries([...figures].map(([what, taken]) => [what, Object.fromEntries(taken)])),
    goals,
    lost: lost <= LOSS_LIMIT * sum(all.map(({ answered }) => answered)) ? 0 : lost,
  };
};
