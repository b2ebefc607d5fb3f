import test from 'ava';
import fc from 'fast-check';
import { ProtocolError } from '../../../src/shared/errors.ts';
import { SessionState, type VisitPhase } from '../../../src/shared/session/session-state.ts';
import { FrameType } from '../../../src/shared/wire/frame.ts';

type Sent = 'opened' | 'data' | 'fin' | 'reset';

const TYPES = {
  open: FrameType.open,
  opened: FrameType.opened,
  data: FrameType.data,
  fin: FrameType.fin,
  reset: FrameType.reset,
} as const;

/** Ways to bring a side into each phase: what it sends (>) and receives (<) in turn. */
const WAYS: Readonly<Record<'opener' | 'acceptor', Partial<Record<VisitPhase, string>>>> = {
  opener: {
    idle: '',
    opening: '>open',
    openingDone: '>open >fin',
    open: '>open <opened',
    localDone: '>open <opened >fin',
    remoteDone: '>open <opened <fin',
    draining: '>open >reset',
  },
  acceptor: {
    idle: '',
    opening: '<open',
    openingDone: '<open <fin',
    open: '<open >opened',
    localDone: '<open >opened >fin',
    remoteDone: '<open >opened <fin',
    draining: '<open >reset',
  },
};

/** What each side may send and receive in each phase, by protocol.md; everything else is an error. */
const LEGAL: Readonly<Record<'opener' | 'acceptor', Record<VisitPhase, string>>> = {
  opener: {
    idle: '>open',
    opening: '>data >fin >reset <opened <reset',
    openingDone: '>reset <opened <reset',
    open: '>data >fin >reset <data <fin <reset',
    localDone: '>reset <data <fin <reset',
    remoteDone: '>data >fin >reset <reset',
    draining: '<opened <data <fin <reset',
  },
  acceptor: {
    idle: '<open',
    opening: '>opened >reset <data <fin <reset',
    openingDone: '>opened >reset <reset',
    open: '>data >fin >reset <data <fin <reset',
    localDone: '>reset <data <fin <reset',
    remoteDone: '>data >fin >reset <reset',
    draining: '<data <fin <reset',
  },
};

function move(state: SessionState, step: string, datagrams = false): void {
  const [direction, name] = [step[0], step.slice(1) as keyof typeof TYPES];
  if (direction === '>') {
    if (name === 'open') state.open(datagrams);
    else state.send(name);
    return;
  }
  const visit = name === 'open' ? state.visit + 1 : state.visit;
  state.judge(TYPES[name], visit);
  state.receive(TYPES[name], datagrams);
}

function stateIn(role: 'opener' | 'acceptor', phase: VisitPhase, datagrams = false): SessionState {
  const state = new SessionState(role);
  for (const step of (WAYS[role][phase] ?? '').split(' ').filter(Boolean)) move(state, step, datagrams);
  return state;
}

for (const role of ['opener', 'acceptor'] as const) {
  test(`${role}: each phase lets through what the protocol allows, and nothing else`, (t) => {
    for (const phase of Object.keys(LEGAL[role]) as VisitPhase[]) {
      t.is(stateIn(role, phase).phase, phase);
      const legal = new Set(LEGAL[role][phase].split(' '));
      for (const direction of ['>', '<']) {
        for (const name of Object.keys(TYPES)) {
          const step = direction + name;
          // Of a visit that is over every frame but OPEN is stale, not wrong: read past.
          if (phase === 'idle' && direction === '<' && name !== 'open') continue;
          const attempt = (): void => move(stateIn(role, phase), step);
          if (legal.has(step)) t.notThrows(attempt, `${phase} ${step}`);
          else t.throws(attempt, { instanceOf: ProtocolError }, `${phase} ${step}`);
        }
      }
    }
  });
}

test('RESET is answered with RESET by a side that has not ended, and by no other', (t) => {
  const answers = (role: 'opener' | 'acceptor', phase: VisitPhase): boolean => {
    const state = stateIn(role, phase);
    state.judge(FrameType.reset, state.visit);
    return state.receive(FrameType.reset);
  };
  for (const role of ['opener', 'acceptor'] as const) {
    t.true(answers(role, 'opening'));
    t.true(answers(role, 'open'));
    t.true(answers(role, 'remoteDone'));
    t.false(answers(role, 'localDone'));
    t.false(answers(role, 'draining'));
  }
  t.false(answers('opener', 'openingDone'));
  t.true(answers('acceptor', 'openingDone'));
});

test('frames of a visit that is over are read past, those of a visit to come are errors', (t) => {
  const state = stateIn('acceptor', 'opening');
  move(state, '<reset');
  for (const type of [FrameType.data, FrameType.fin, FrameType.reset]) t.is(state.judge(type, 1), 'drop');
  for (const type of [FrameType.data, FrameType.fin, FrameType.reset]) t.throws(() => state.judge(type, 2));
  t.throws(() => state.judge(FrameType.open, 1));
  t.throws(() => state.judge(FrameType.open, 3));
  t.is(state.judge(FrameType.open, 2), 'deliver');
});

test('what comes in a visit that this side has reset is read past until the other has ended too', (t) => {
  const state = stateIn('opener', 'draining');
  t.is(state.judge(FrameType.data, 1), 'drop');
  t.is(state.judge(FrameType.opened, 1), 'drop');
  move(state, '<fin');
  t.is(state.phase, 'idle');
});

test('FLOW and FLOWEND come where DATA may, in a visit of datagrams; FLOW from the opener alone', (t) => {
  const flows = { flow: FrameType.flow, flowEnd: FrameType.flowEnd } as const;
  for (const role of ['opener', 'acceptor'] as const) {
    for (const phase of Object.keys(LEGAL[role]) as VisitPhase[]) {
      for (const datagrams of [true, false]) {
        for (const [name, type] of Object.entries(flows)) {
          const state = stateIn(role, phase, datagrams);
          const attempt = (): string => state.judge(type, state.visit);
          // Of a visit that is over: read past, whatever it was.
          if (phase === 'idle') continue;
          const legal =
            datagrams && LEGAL[role][phase].includes('<data') && (name === 'flowEnd' || role === 'acceptor');
          const what = `${role}, ${phase}, ${name}, datagrams: ${datagrams}`;
          if (legal) t.is(attempt(), phase === 'draining' ? 'drop' : 'deliver', what);
          else t.throws(attempt, { instanceOf: ProtocolError }, what);
        }
      }
    }
  }
});

test('a visit of datagrams says nothing about the next one', (t) => {
  const state = stateIn('acceptor', 'open', true);
  move(state, '<fin');
  move(state, '>fin');
  t.is(state.judge(FrameType.flow, 1), 'drop');
  move(state, '<open');
  t.throws(() => state.judge(FrameType.flow, 2), { instanceOf: ProtocolError });
  t.is(state.judge(FrameType.flow, 1), 'drop');
});

test('two honest sides never meet an error, in whatever order they send, and both come to rest', (t) => {
  const choice = fc.tuple(
    fc.boolean(),
    fc.constantFrom<Sent | 'open' | 'deliver'>('open', 'opened', 'data', 'fin', 'reset', 'deliver', 'deliver'),
  );
  fc.assert(
    fc.property(fc.array(choice, { maxLength: 120, size: 'max' }), (choices) => {
      const sides = [new SessionState('opener'), new SessionState('acceptor')] as const;
      const ways: { type: number; visit: number }[][] = [[], []];
      const deliver = (to: 0 | 1): void => {
        const frame = ways[to]?.shift();
        if (frame === undefined) return;
        const side = sides[to];
        if (side.judge(frame.type, frame.visit) === 'drop') return;
        if (side.receive(frame.type)) ways[1 - to]?.push({ type: FrameType.reset, visit: side.visit });
      };
      const send = (from: 0 | 1, name: Sent | 'open'): void => {
        const side = sides[from];
        if (name === 'open') {
          // An opener waits for its last visit to end; the acceptor never opens.
          if (side.role === 'acceptor' || side.phase !== 'idle') return;
          side.open();
        } else {
          if (!side.may(name)) return;
          side.send(name);
        }
        ways[1 - from]?.push({ type: TYPES[name], visit: side.visit });
      };
      for (const [second, name] of choices) {
        const side = second ? 1 : 0;
        if (name === 'deliver') deliver(side);
        else send(side, name);
      }
      for (const side of [0, 1] as const) send(side, 'reset');
      while (ways.some((way) => way.length > 0)) for (const side of [0, 1] as const) deliver(side);
      if (sides.some(({ phase }) => phase !== 'idle')) throw new Error(`${sides[0].phase} and ${sides[1].phase}`);
      if (sides[0].visit !== sides[1].visit) throw new Error('the visit numbers differ');
    }),
    { numRuns: 5000 },
  );
  t.pass();
});

test('a hostile side meets nothing but protocol errors', (t) => {
  const frame = fc.tuple(fc.integer({ min: 0x10, max: 0x1f }), fc.integer({ min: 0, max: 4 }));
  fc.assert(
    fc.property(
      fc.constantFrom('opener', 'acceptor'),
      fc.array(frame, { maxLength: 40, size: 'max' }),
      (role, frames) => {
        const state = new SessionState(role);
        if (role === 'opener') state.open();
        try {
          for (const [type, visit] of frames) if (state.judge(type, visit) === 'deliver') state.receive(type);
        } catch (error) {
          if (!(error instanceof ProtocolError)) throw error;
        }
      },
    ),
    { numRuns: 5000 },
  );
  t.pass();
});
