/** Both ends of one session in memory: greeted with a real proof, over a pair of streams that may slice what passes. */
import { Duplex } from 'node:stream';
import { Greeter } from '../../src/shared/session/greeter.ts';
import { ClientGreeting, type Greeted, type Greeting, ServerGreeting } from '../../src/shared/session/greeting.ts';
import { Session } from '../../src/shared/session/session.ts';
import type { SessionOwner } from '../../src/shared/session/session-options.ts';
import { TokenRing } from '../../src/shared/session/token-ring.ts';
import type { FrameDecoder } from '../../src/shared/wire/decode.ts';
import type { Settings } from '../../src/shared/wire/messages.ts';
import { type ManualClock, manualClock } from './clock.ts';

/** One end of {@link wire}: what is written comes out at the other end, in pieces of `slice` bytes. */
class End extends Duplex {
  peer!: End;
  readonly #slice: number;
  #resume: (() => void) | undefined;

  constructor(slice: number) {
    // The same on every version of Node.
    super({ allowHalfOpen: true, highWaterMark: 16 * 1024 });
    this.#slice = slice;
  }

  override _read(): void {
    const resume = this.#resume;
    this.#resume = undefined;
    resume?.();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    let flowing = true;
    for (let at = 0; at < chunk.length; at += this.#slice)
      flowing = this.peer.push(chunk.subarray(at, at + this.#slice));
    if (flowing) queueMicrotask(done);
    else this.peer.#resume = done;
  }

  override _final(done: () => void): void {
    this.peer.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    queueMicrotask(() => this.peer.destroyed || this.peer.push(null));
    done(error);
  }
}

/** Two connected streams. */
export function wire(slice = Infinity): [End, End] {
  const ends: [End, End] = [new End(slice), new End(slice)];
  [ends[0].peer, ends[1].peer] = [ends[1], ends[0]];
  return ends;
}

export const SETTINGS: Settings = { opener: 'server', maxConnections: 10, keepAliveMs: 30_000, worker: 0, workers: 1 };

export const CHANNEL = { tag: Buffer.from('tag45678'), secure: false, binding: Buffer.alloc(32) } as const;

/** The time of day at every greeting. */
export const NOW = Date.parse('2027-01-01T00:00:00Z');

export const CLIENT = '0123456789abcdef0123456789abcdef';

let ring: Promise<TokenRing> | undefined;

/** Keys of one token, derived once. */
export function tokens(): Promise<TokenRing> {
  ring ??= TokenRing.from(['the token of the tests']);
  return ring;
}

export async function serverGreeting(): Promise<ServerGreeting> {
  const hasTunnel = (tunnel: string): boolean => tunnel === 'default';
  return new ServerGreeting({
    channel: CHANNEL,
    tokens: await tokens(),
    wallNow: () => NOW,
    hasTunnel,
    admit: () => SETTINGS,
  });
}

export async function clientGreeting(): Promise<ClientGreeting> {
  const hello = { tunnel: 'default', client: CLIENT, agent: 'test/1' };
  return new ClientGreeting({ channel: CHANNEL, tokens: await tokens(), hello });
}

/** Greets over a stream; resolves with what was settled. */
export function greet(socket: Duplex, greeting: Greeting): Promise<{ greeted: Greeted; decoder: FrameDecoder }> {
  return new Promise((resolve, reject) => {
    new Greeter(socket, greeting, {
      onGreeted: (greeted, decoder) => {
        // Nothing may be lost between here and the session.
        socket.pause();
        resolve({ greeted, decoder });
      },
      onGreetingFailed: reject,
    }).start();
  });
}

export interface SessionPair {
  readonly server: Session;
  readonly client: Session;
  readonly time: ManualClock;
  readonly ends: readonly [Duplex, Duplex];
}

export async function sessionPair(
  owners: { readonly server?: SessionOwner; readonly client?: SessionOwner; readonly slice?: number } = {},
): Promise<SessionPair> {
  const ends = wire(owners.slice);
  const time = manualClock();
  const [server, client] = await Promise.all([
    greet(ends[0], await serverGreeting()),
    greet(ends[1], await clientGreeting()),
  ]);
  const common = { id: 'tag45678', remote: 'test', clock: time.clock };
  const sessions = {
    server: new Session({ ...common, socket: ends[0], ...server, side: 'server', owner: owners.server ?? {} }),
    client: new Session({ ...common, socket: ends[1], ...client, side: 'client', owner: owners.client ?? {} }),
  };
  for (const end of ends) end.resume();
  return { ...sessions, time, ends };
}
