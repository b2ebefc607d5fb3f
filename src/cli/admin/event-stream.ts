/** `/events`: the status each second, and notes as they come, as server-sent events. */
import type { ServerResponse } from 'node:http';
import type { Notes } from './notes.ts';
import type { StatusReport } from './report.ts';

/** The most listeners at once. */
const MAX_LISTENERS = 16;

/** How often the status is sent, ms. */
const TICK_MS = 1000;

/** Who has so much unread is cut off, bytes: it will come again. */
const MAX_UNREAD_BYTES = 1024 * 1024;

export class EventStream {
  readonly #report: () => Promise<StatusReport>;
  readonly #notes: Notes;
  readonly #listeners = new Set<ServerResponse>();
  #timer: NodeJS.Timeout | undefined;
  #forget: (() => void) | undefined;

  constructor(report: () => Promise<StatusReport>, notes: Notes) {
    this.#report = report;
    this.#notes = notes;
  }

  get full(): boolean {
    return this.#listeners.size >= MAX_LISTENERS;
  }

  /** Takes a response whose head is written; it gets what there is to know at once. */
  add(response: ServerResponse): void {
    this.#listeners.add(response);
    // Whoever leaves between two writes; `close` follows.
    response.on('error', () => {}).on('close', () => this.#remove(response));
    for (const note of this.#notes.recent) response.write(textOf('note', note));
    void this.#sendStatus([response]);
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => void this.#sendStatus(this.#listeners), TICK_MS);
    this.#forget = this.#notes.onNote((note) => this.#send(this.#listeners, textOf('note', note)));
  }

  /** Ends all of them. */
  close(): void {
    for (const response of this.#listeners) response.end();
  }

  #remove(response: ServerResponse): void {
    this.#listeners.delete(response);
    if (this.#listeners.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#forget?.();
  }

  async #sendStatus(listeners: Iterable<ServerResponse>): Promise<void> {
    try {
      this.#send(listeners, textOf('status', await this.#report()));
    } catch {
      // They come again, and are told what is wrong.
      this.close();
    }
  }

  #send(listeners: Iterable<ServerResponse>, text: string): void {
    for (const response of [...listeners]) {
      if (response.writableLength > MAX_UNREAD_BYTES) response.destroy();
      else response.write(text);
    }
  }
}

function textOf(event: string, message: object): string {
  return `event: ${event}\ndata: ${JSON.stringify(message)}\n\n`;
}
