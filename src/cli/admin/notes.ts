import type { Note } from './report.ts';

/** How many are kept for whoever comes later. */
const KEPT = 50;

/** So many may come at once, and so many a second in the long run: a stranger who knocks must not fill the page. */
const BURST = 20;
const PER_SECOND = 2;

/** pino's level of a warning, and of an error. */
const WARN = 40;
const ERROR = 50;

/** The lines of the log that are worth a look, as events: the latest, and those to come. */
export class Notes {
  readonly #now: () => number;
  readonly #listeners = new Set<(note: Note) => void>();
  #recent: Note[] = [];
  #tokens = BURST;
  #filledAt: number;
  #leftOut = 0;

  /** @param now monotonic time, ms */
  constructor(now: () => number) {
    this.#now = now;
    this.#filledAt = now();
  }

  /** The latest, oldest first. */
  get recent(): readonly Note[] {
    return this.#recent;
  }

  /** Takes a line of the log, JSON as pino writes it. */
  readonly hear = (line: string): void => {
    const { level, time, msg, ...fields } = JSON.parse(line) as { level: number; time: number; msg?: string };
    const word = level >= ERROR ? 'error' : level >= WARN ? 'warn' : 'info';
    this.add({ at: new Date(time).toISOString(), level: word, text: msg ?? '', fields });
  };

  add(note: Note): void {
    const now = this.#now();
    this.#tokens = Math.min(BURST, this.#tokens + ((now - this.#filledAt) / 1000) * PER_SECOND);
    this.#filledAt = now;
    if (this.#tokens < 1) {
      this.#leftOut += 1;
      return;
    }
    this.#tokens -= 1;
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    if (leftOut > 0) this.#keep({ at: note.at, level: 'info', text: `${leftOut} more in the log`, fields: {} });
    this.#keep(note);
  }

  /** Returns how to listen no more. */
  onNote(listener: (note: Note) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #keep(note: Note): void {
    this.#recent = [...this.#recent.slice(1 - KEPT), note];
    for (const listener of this.#listeners) listener(note);
  }
}
