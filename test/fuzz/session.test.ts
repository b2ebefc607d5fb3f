/** A session against a peer that sends what it likes, held against another reading of docs/protocol.md. */
import test from 'ava';
import fc from 'fast-check';
import type { SessionRole } from '../../src/shared/session/session-state.ts';
import { encodeFrame, encodeReset } from '../../src/shared/wire/encode.ts';
import { FrameType, isKnownType, isSkippable, ResetCode } from '../../src/shared/wire/frame.ts';
import { encodeOpen } from '../../src/shared/wire/messages.ts';
import { INFO, SessionBench } from '../helpers/session-bench.ts';
import { type ModelVisit, VisitModel } from '../helpers/visit-model.ts';

const anyRole = fc.constantFrom<SessionRole>('opener', 'acceptor');
const anySide = fc.constantFrom<'server' | 'client'>('server', 'client');
const cuts = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 4 });

const ACTS = ['open', 'open', 'accept', 'accept', 'write', 'write', 'write', 'end', 'reset'] as const;

/** One thing that happens to a session: a frame comes, or its holder does something. */
type Step = { readonly pieces: readonly number[] } & (
  | {
      /** Any type; or undefined for one that fits, the `pick`th. */
      readonly frame: number | undefined;
      readonly pick: number;
      readonly visit: number;
      readonly spoilt: boolean;
      readonly bytes: number;
    }
  | { readonly act: (typeof ACTS)[number] }
);

const { open, opened, data, fin, reset, ping, pong, demand, drain } = FrameType;
const rarely = <T>(often: T, seldom: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 40, arbitrary: fc.constant(often) }, { weight: 1, arbitrary: seldom });
const frame = fc.record({
  frame: rarely<number | undefined>(undefined, fc.oneof(fc.constantFrom(...Object.values(FrameType)), fc.nat(255))),
  pick: fc.nat(99),
  // Beside the number that fits.
  visit: rarely(0, fc.integer({ min: -3, max: 2 })),
  spoilt: rarely(false, fc.constant(true)),
  bytes: fc.oneof({ weight: 12, arbitrary: fc.nat(20) }, { weight: 1, arbitrary: fc.constant(40_000) }),
  pieces: cuts,
});
const act = fc.record({
  act: fc.constantFrom(...ACTS),
  pieces: fc.constant([]),
});
const anyStep: fc.Arbitrary<Step> = fc.oneof({ weight: 3, arbitrary: frame }, { weight: 2, arbitrary: act });

/** What the bytes of a visit look like: a letter of its own. */
const markOf = (visit: number): string => String.fromCharCode(97 + (visit % 26));

/** The payload of a frame that can be read, or one that cannot. */
function payloadOf(
  type: number,
  visit: number,
  bytes: number,
  spoilt: boolean,
): { payload: Buffer; readable: boolean } {
  const bad = (payload: Buffer) => ({ payload: spoilt ? Buffer.concat([payload, Buffer.of(0xff)]) : payload });
  switch (type) {
    case open:
      return { ...bad(encodeOpen(INFO)), readable: !spoilt };
    case reset:
      return { ...bad(encodeReset(1, bytes, 'gone').subarray(8)), readable: !spoilt };
    case ping:
    case pong:
      return { ...bad(Buffer.alloc(8, bytes)), readable: !spoilt };
    case demand:
      return { ...bad(Buffer.alloc(4, bytes)), readable: !spoilt };
    case data:
      return { payload: Buffer.alloc(bytes, markOf(visit)), readable: true };
    case opened:
    case fin:
    case drain:
      return { ...bad(Buffer.alloc(0)), readable: !spoilt };
    default:
      return { payload: Buffer.alloc(bytes % 20), readable: true };
  }
}

const OF_NO_VISIT: ReadonlySet<number> = new Set([ping, pong, demand, drain]);

/** A frame that fits now; late ones and PING always do. */
function fitting(pick: number, { visit, last }: VisitModel, opener: boolean): number {
  if (pick < 5) return ping;
  if (visit === undefined) return pick < 15 && last > 0 ? data : opener ? pong : open;
  if (visit.theirEnd) return pick < 50 ? reset : ping;
  if (opener && !visit.established) return pick < 90 ? opened : reset;
  return pick < 70 ? data : pick < 90 ? fin : reset;
}

function hear(step: Extract<Step, { pick: number }>, model: VisitModel, bench: SessionBench, opener: boolean): void {
  const type = step.frame ?? fitting(step.pick, model, opener);
  const fits = OF_NO_VISIT.has(type) || isSkippable(type) ? 0 : type === open ? model.last + 1 : model.last;
  const visit = Math.max(0, fits + step.visit);
  const { payload, readable } = payloadOf(type, visit, step.bytes, step.spoilt);
  // Frames that no encoder makes are not here: those of unknown type are a header and no more.
  const bytes =
    isKnownType(type) || isSkippable(type)
      ? encodeFrame(type as FrameType, visit, payload)
      : Buffer.of(type, 0, 0, 0, 0, 0, 0, visit);
  model.hear({ type, visit, payload, readable });
  bench.socket.feed(bytes, step.bytes > 1000 ? [30_000] : step.pieces);
}

function does(what: (typeof ACTS)[number], model: VisitModel, bench: SessionBench, opener: boolean): void {
  if (model.closed !== undefined) return;
  if (what === 'open') {
    if (!opener || model.visit !== undefined) return;
    model.open();
    return bench.open();
  }
  const { visit } = bench;
  if (visit === undefined || (what === 'accept' && opener)) return;
  if (what === 'write') {
    const bytes = `[${visit.number}]`;
    model.write(bytes);
    visit.write(Buffer.from(bytes));
    return;
  }
  model.act(what);
  visit[what](0);
}

test('whatever frames come in whatever order: the session does what the page says, and each visit hears its own bytes', (t) => {
  const seen = { visits: 0, data: 0, violated: 0, drained: 0 };
  fc.assert(
    fc.property(anyRole, anySide, fc.array(anyStep, { maxLength: 60, size: 'max' }), (role, side, steps) => {
      const bench = new SessionBench(role, side);
      const opener = role === 'opener';
      const model = new VisitModel(opener, side === 'server');
      const visits: ModelVisit[] = [];
      for (const step of steps) {
        if ('act' in step) does(step.act, model, bench, opener);
        else hear(step, model, bench, opener);
        const { visit } = model;
        if (visit !== undefined && !visits.includes(visit)) visits.push(visit);
        bench.inOrder();
        t.is(bench.ends[0], model.closed);
        t.deepEqual(
          bench.logs.map(({ heard }) => heard),
          visits.map(({ hears }) => hears),
        );
        t.is(
          bench.session.refusal() === undefined || bench.session.closed,
          model.visit === undefined || bench.session.closed,
        );
      }
      seen.visits += visits.length;
      seen.data += visits.flatMap(({ hears }) => hears).filter((one) => one.startsWith('data')).length;
      seen.violated += Number(model.closed === 'protocol-error');
      seen.drained += Number(model.closed === 'drained');
      judge(bench, model, visits);
    }),
    { numRuns: 12_000 },
  );
  t.log(JSON.stringify(seen));
});

/** What the session wrote: each visit's own bytes, an end to each that is over and nothing behind it, an answer to each PING. */
function judge(bench: SessionBench, model: VisitModel, visits: readonly ModelVisit[]): void {
  const ended = new Map<number, number>();
  const sent = visits.map(() => '');
  const pongs: string[] = [];
  for (const { type, visit, payload } of bench.written()) {
    if (type === FrameType.pong) pongs.push(payload);
    if (visit === 0) continue;
    const end = ended.get(visit);
    if (end === FrameType.reset || (end === FrameType.fin && type !== FrameType.reset)) {
      throw new Error(`frame ${type} behind the end of visit ${visit}`);
    }
    if (type === FrameType.fin || type === FrameType.reset) ended.set(visit, type);
    if (type === FrameType.data) sent[visit - 1] += String(Buffer.from(payload, 'hex'));
  }
  for (const { number, fin, reset } of visits) {
    if (ended.has(number) !== (fin || reset)) throw new Error(`visit ${number} was ended: ${ended.get(number)}`);
  }
  const expected = visits.map(({ sends }) => sends);
  if (JSON.stringify(sent) !== JSON.stringify(expected)) throw new Error(`sent ${sent.join()}, not ${expected.join()}`);
  if (JSON.stringify(pongs) !== JSON.stringify(model.pongs)) throw new Error(`answered ${pongs.join()}`);
}

/** What the other side sends in a visit: some bytes, perhaps FIN, and RESET, which is allowed behind all of them. */
const theirVisit = fc.record({
  data: fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 3, size: 'max' }),
  fin: fc.boolean(),
  garbage: rarely<Uint8Array>(new Uint8Array(), fc.uint8Array({ minLength: 1, maxLength: 12 })),
});

type Doing = (typeof ACTS)[number] | 'retire' | 'pause' | 'time' | 'nothing';
const doing = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom<Doing>(...ACTS, 'pause', 'nothing') },
  { weight: 1, arbitrary: fc.constantFrom<Doing>('retire', 'time') },
);

test('wherever the stream is cut, and whatever the holder does meanwhile: no visit hears a byte of another', (t) => {
  const seen = { visits: 0, bytes: 0, wrong: 0 };
  const visits = fc.array(theirVisit, { minLength: 2, maxLength: 8, size: 'max' });
  const turns = fc.array(fc.tuple(fc.integer({ min: 1, max: 60 }), doing), {
    minLength: 1,
    maxLength: 20,
    size: 'max',
  });
  fc.assert(
    fc.property(anyRole, anySide, visits, turns, (role, side, theirs, doings) => {
      const bench = new SessionBench(role, side);
      const opener = role === 'opener';
      let stream: Buffer = Buffer.alloc(0);
      let turn = 0;
      theirs.forEach((their, index) => {
        if (opener) happens(bench, 'open', opener);
        const number = opener ? Math.max(1, bench.logs.length) : index + 1;
        const frames = [
          opener ? encodeFrame(opened, number) : encodeFrame(open, number, encodeOpen(INFO)),
          ...their.data.map((bytes) => encodeFrame(data, number, Buffer.alloc(bytes, markOf(number)))),
          ...(their.fin ? [encodeFrame(fin, number)] : []),
          their.garbage,
          encodeReset(number, 1000 + number),
        ];
        stream = Buffer.concat([stream, ...frames]);
        // Chunks end anywhere, also in the next visit where that one may have begun.
        while (stream.length > (opener || index === theirs.length - 1 ? 0 : 60)) {
          const [size, what] = doings[turn++ % doings.length] ?? [1, 'nothing'];
          happens(bench, what, opener);
          bench.socket.feed(stream.subarray(0, size));
          stream = stream.subarray(size);
          bench.inOrder();
        }
      });
      bench.session.close('destroyed');
      bench.inOrder();
      bench.logs.forEach(({ heard, done }, index) => {
        const own = new RegExp(
          `^(opened|end|reset ${ResetCode.internal}|reset ${1001 + index}|data ${markOf(index + 1)}+)$`,
        );
        for (const one of heard) if (!own.test(one)) throw new Error(`visit ${index + 1} heard: ${one}`);
        if (!done) throw new Error(`visit ${index + 1} is not over`);
      });
      seen.visits += bench.logs.length;
      seen.bytes += bench.logs.reduce((sum, { bytes }) => sum + bytes, 0);
      seen.wrong += Number(bench.faults.length > 0);
    }),
    { numRuns: 12_000 },
  );
  t.log(JSON.stringify(seen));
  t.true(seen.bytes > 100_000);
});

function happens(bench: SessionBench, what: Doing, opener: boolean): void {
  const { session, visit, time } = bench;
  switch (what) {
    case 'open':
      if (opener && !session.closed && session.visit === undefined) bench.open();
      return;
    case 'write':
      return void visit?.write(Buffer.from('ours'));
    case 'accept':
      return void (opener || visit?.accept());
    case 'end':
      return visit?.end();
    case 'reset':
      bench.abandon();
      return;
    case 'pause':
      return visit?.pause();
    case 'retire':
      return session.retire('cleaned');
    case 'time':
      return time.stop(900);
  }
}
