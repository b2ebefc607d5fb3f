/** One session alone, over a stream that hears what a test feeds it. */
import type { CloseReason } from '../../src/shared/close-reason.ts';
import { ProtocolError } from '../../src/shared/errors.ts';
import type { SessionOwner } from '../../src/shared/session/session-options.ts';
import { Session } from '../../src/shared/session/session.ts';
import type { SessionRole } from '../../src/shared/session/session-state.ts';
import type { Visit } from '../../src/shared/session/visit.ts';
import { FrameDecoder } from '../../src/shared/wire/decode.ts';
import { ResetCode } from '../../src/shared/wire/frame.ts';
import type { OpenInfo } from '../../src/shared/wire/messages.ts';
import { manualClock } from './clock.ts';
import { FedSocket } from './fed-socket.ts';
import { type Frame, FrameCollector } from './frame-collector.ts';
import { CLIENT, SETTINGS } from './session-pair.ts';
import { VisitLog } from './visit-log.ts';

export const INFO: OpenInfo = { protocol: 'tcp', tunnel: 'default', remote: '192.0.2.1:5000', local: '127.0.0.1:80' };

/** A session, what its owner and its visits hear, and what it writes. */
export class SessionBench {
  readonly socket = new FedSocket();
  readonly time = manualClock();
  readonly faults: Error[] = [];
  readonly ends: CloseReason[] = [];
  readonly visits: Visit[] = [];
  readonly logs: VisitLog[] = [];
  readonly session: Session;

  constructor(role: SessionRole, side: 'server' | 'client', owner: SessionOwner = {}) {
    this.session = new Session({
      id: 'tag45678',
      socket: this.socket,
      decoder: new FrameDecoder(new FrameCollector()),
      greeted: { role, settings: SETTINGS, tunnel: 'default', client: CLIENT, agent: 'test' },
      side,
      remote: 'test',
      clock: this.time.clock,
      owner: {
        onVisit: (visit) => this.#keep(visit),
        onDemand: () => {},
        onFault: (error) => void this.faults.push(error),
        onEnd: (_, reason) => void this.ends.push(reason),
        ...owner,
      },
    });
  }

  get visit(): Visit | undefined {
    return this.visits.at(-1);
  }

  open(): void {
    this.#keep(this.session.open(INFO));
  }

  /** Resets the visit that is on, which hears no more from then on. */
  abandon(): void {
    const log = this.logs.at(-1);
    this.visit?.reset(ResetCode.visitorLeft);
    if (log !== undefined) Object.freeze(log.heard);
  }

  #keep(visit: Visit): void {
    this.visits.push(visit);
    this.logs.push(new VisitLog(visit));
  }

  /** The frames written so far, those that waited for company included. */
  written(): Frame[] {
    this.session.ping();
    const sink = new FrameCollector();
    new FrameDecoder(sink).push(Buffer.concat(this.socket.written));
    return sink.frames;
  }

  /** It closes at most once, tells a fault at most once and only a ProtocolError, and keeps no timer once closed. */
  inOrder(): void {
    const { session, socket, faults, ends, time } = this;
    if (session.closed !== (ends.length === 1)) throw new Error(`closed for ${ends.join()}`);
    if (session.closed && time.timers > 0 && socket.destroyed) throw new Error('a timer is left');
    for (const error of faults) if (!(error instanceof ProtocolError)) throw error;
    // Who was told to go, and then breaks a rule, goes for the reason it was told.
    const least = Number(ends[0] === 'protocol-error');
    if (faults.length < least || faults.length > ends.length) throw new Error(`${faults.length} faults`);
  }
}
