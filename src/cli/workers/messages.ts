/** What the first process of a server and its workers tell each other. */

import type { Part } from '../admin/local-source.ts';
import type { Note } from '../admin/report.ts';

/** The first process to a worker: what all have in common. */
export interface Setup {
  readonly type: 'setup';
  /** The certificate that all show, unless it is in the settings; PEM. */
  readonly material?: { readonly cert: string; readonly key: string } | undefined;
  /** What a visitor from another worker is known by, hex. */
  readonly secret: string;
  /** What the first process has been started with, and only a restart changes. */
  readonly lasting: readonly string[];
}

/** The first process to a worker: where the others take visitors, as far as they have connections idle. */
interface Peers {
  readonly type: 'peers';
  /** Their ports, by the tunnels that have connections idle there; pairs, for a tunnel may have any name. */
  readonly ports: readonly (readonly [tunnel: string, ports: readonly number[]])[];
}

/** The first process to a worker: end in order. */
interface Stop {
  readonly type: 'stop';
}

/** The first process to a worker: read the files again. */
interface Reload {
  readonly type: 'reload';
}

/** The first process to a worker: say how you are. */
interface Ask {
  readonly type: 'ask';
  /** Comes back with the answer. */
  readonly round: number;
  /** Whether the numbers of Node.js are wanted, too. */
  readonly withMetrics: boolean;
}

export type ToWorker = Setup | Peers | Stop | Reload | Ask;

/** A worker to the first process: it waits for its setup. */
interface Ready {
  readonly type: 'ready';
}

/** A worker to the first process: it serves. Addresses for the log. */
export interface Listening {
  readonly type: 'listening';
  readonly listen: string;
  /** Of the reverse tunnels. */
  readonly public: readonly string[];
  readonly fingerprint: string | undefined;
  /** Where it takes visitors of other workers. */
  readonly passPort: number;
}

/** A worker to the first process: which tunnels have a connection idle, when that has changed. */
interface Idle {
  readonly type: 'idle';
  readonly tunnels: readonly string[];
}

/** A worker to the first process: how it is, as it was asked. */
interface Answer {
  readonly type: 'answer';
  readonly round: number;
  readonly part: Part;
}

/** A worker to the first process: a line of its log, for the admin address. */
interface Noted {
  readonly type: 'noted';
  readonly note: Note;
}

/** A worker to the first process: it has read its files again. */
interface Reloaded {
  readonly type: 'reloaded';
  /** What was wrong. */
  readonly problem: string | undefined;
}

export type FromWorker = Ready | Listening | Idle | Answer | Noted | Reloaded;
