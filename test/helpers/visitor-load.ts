/** A steady load of visitors, each of whom knows what was begun well and what came back. */
import { createHash } from 'node:crypto';
import { connect } from 'node:net';

/** What became of the visits so far. */
export interface Tally {
  sent: number;
  /** Everything came back: by length and digest what this very visit had sent. */
  answered: number;
  /** Visibly broken off or turned away, and a fault was on at some time of the visit. */
  refused: number;
  /** The same, though all was well from its beginning to its end. */
  lost: number;
  /** Ended in order before everything had come. A process that is killed leaves that to its sockets' kernel. */
  short: number;
  /** Bytes came that the visit had not sent, at whatever end. */
  wrong: number;
  /** Neither answered nor broken off within the limit. */
  hung: number;
}

/** What no fault excuses. */
export function badOf({ lost, wrong, hung }: Tally): Pick<Tally, 'lost' | 'wrong' | 'hung'> {
  return { lost, wrong, hung };
}

type Outcome = Exclude<keyof Tally, 'sent' | 'lost'>;

export interface VisitorLoadOptions {
  readonly port: number;
  /** How many visit at a time. */
  readonly visitors?: number;
  /** How long a visit may take, ms, before it counts as hung. */
  readonly limitMs: number;
  /** The middle pause within a visit, and between two, ms. */
  readonly pauseMs?: number;
  /** How much the visit of that number sends, bytes. Default: small messages mostly, and some that take many reads. */
  readonly sizeOf?: (number: number) => number;
}

/** A visit that is over. Times are `performance.now()`. */
interface PastVisit {
  /** Its bytes are `visit <number>, `, again and again. */
  readonly number: number;
  readonly outcome: Outcome;
  readonly startedAt: number;
  /** When the first byte came back; Infinity when none has. */
  readonly answeredAt: number;
  readonly endedAt: number;
}

export interface VisitorLoad extends AsyncDisposable {
  readonly tally: Readonly<Tally>;
  readonly visits: readonly PastVisit[];
  /** Visits in their middle: the first bytes have come back, the last have not. */
  readonly on: number;
  /** A fault is on: whoever is broken off from now on has a reason. */
  trouble: boolean;
  /** The first visit that begins from now on and is answered. */
  served(): Promise<PastVisit>;
  /** Resolves with the tally once `visits` more have been answered. */
  answered(visits: number): Promise<Readonly<Tally>>;
  /** Sends nobody in any more; resolves when the last has ended. */
  stop(): Promise<Readonly<Tally>>;
}

const SIZES = [100, 1000, 8000, 120_000];

const someSize = (number: number): number => SIZES[number % SIZES.length] ?? 0;

/** The bytes of a visit: its number, repeated. */
function messageOf(number: number, bytes: number): Buffer {
  return Buffer.alloc(bytes, `visit ${number}, `);
}

const digestOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** Resolves after `ms`: for pauses and outages that are themselves the scenario. Nothing waits by it for something else. */
export function lasting(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}

/** Visits a target that echoes. The first half of a message goes at once, the second after a pause; the end, when all is back. */
export function startVisitors(options: VisitorLoadOptions): VisitorLoad {
  const { port, visitors = 6, limitMs, pauseMs = 25, sizeOf = someSize } = options;
  const tally: Tally = { sent: 0, answered: 0, refused: 0, lost: 0, short: 0, wrong: 0, hung: 0 };
  const visits: PastVisit[] = [];
  const listeners = new Set<(visit: PastVisit) => void>();
  let on = 0;
  let trouble = false;
  /** Counts the beginnings and ends of trouble. */
  let changes = 0;
  const stopping = new AbortController();
  /** From half to one and a half times the middle. */
  const somePause = (): Promise<void> => lasting(pauseMs * (0.5 + Math.random()));

  async function visit(number: number): Promise<void> {
    const before = { trouble, changes };
    const startedAt = performance.now();
    let answeredAt = Infinity;
    const onAnswer = (): void => {
      answeredAt = performance.now();
      on += 1;
    };
    const outcome = await exchange({ port, message: messageOf(number, sizeOf(number)), limitMs, somePause, onAnswer });
    if (answeredAt < Infinity) on -= 1;
    const excused = before.trouble || trouble || changes !== before.changes;
    tally[outcome === 'refused' && !excused ? 'lost' : outcome] += 1;
    const past = { number, outcome, startedAt, answeredAt, endedAt: performance.now() };
    visits.push(past);
    for (const listener of listeners) listener(past);
  }

  async function keepVisiting(): Promise<void> {
    while (!stopping.signal.aborted) {
      tally.sent += 1;
      await visit(tally.sent);
      await somePause();
    }
  }

  const all = Promise.all(Array.from({ length: visitors }, keepVisiting));
  const next = (wanted: (visit: PastVisit) => boolean): Promise<PastVisit> =>
    new Promise((resolve) => {
      const listener = (past: PastVisit): void => {
        if (!wanted(past)) return;
        listeners.delete(listener);
        resolve(past);
      };
      listeners.add(listener);
    });
  const load: VisitorLoad = {
    tally,
    visits,
    get on() {
      return on;
    },
    get trouble() {
      return trouble;
    },
    set trouble(on) {
      if (on !== trouble) changes += 1;
      trouble = on;
    },
    served() {
      const from = performance.now();
      return next(({ outcome, startedAt }) => outcome === 'answered' && startedAt >= from);
    },
    async answered(more) {
      const wanted = tally.answered + more;
      await next(() => tally.answered >= wanted);
      return tally;
    },
    async stop() {
      stopping.abort();
      await all;
      return tally;
    },
    async [Symbol.asyncDispose]() {
      await load.stop();
    },
  };
  return load;
}

interface Exchange {
  readonly port: number;
  readonly message: Buffer;
  readonly limitMs: number;
  readonly somePause: () => Promise<void>;
  /** The first bytes have come back. */
  readonly onAnswer: () => void;
}

/** One visit to its end, whatever that is. Never rejects. */
function exchange({ port, message, limitMs, somePause, onAnswer }: Exchange): Promise<Outcome> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    const pieces: Buffer[] = [];
    let received = 0;
    let outcome: Outcome = 'refused';
    const end = (how: Outcome): void => {
      outcome = how;
      socket.destroy();
    };
    const limit = setTimeout(() => end('hung'), limitMs);
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(limit);
      resolve(outcome);
    });
    socket.on('data', (piece: Buffer) => {
      // Judged as it comes: a visit that is broken off later must not have had another's bytes either.
      if (!piece.equals(message.subarray(received, received + piece.length))) return end('wrong');
      if (received === 0) onAnswer();
      received += piece.length;
      pieces.push(piece);
      if (received === message.length) socket.end();
    });
    socket.on('end', () => {
      // A reset right behind bytes is reported as an end (libuv takes the hang-up for one). Such a socket has no peer, and
      // as long as this side has not ended, none that was ended in order is without.
      if (received < message.length) end(socket.remoteAddress === undefined ? 'refused' : 'short');
      else end(digestOf(Buffer.concat(pieces)) === digestOf(message) ? 'answered' : 'wrong');
    });
    const half = message.length >> 1;
    socket.write(message.subarray(0, half));
    void somePause().then(() => socket.write(message.subarray(half)));
  });
}
