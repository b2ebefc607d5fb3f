/** Reads `/events`, again and again. By fetch, because an EventSource cannot show a token. */
import type { Note, StatusReport } from '../../report.ts';

export interface StreamHandlers {
  onStatus(report: StatusReport): void;
  onNote(note: Note): void;
  /** It is lost, and tried again in `retryInMs`. */
  onLost(reason: string, retryInMs: number): void;
  /** A token is wanted; resolves with one. */
  askToken(): Promise<string>;
}

/** Pauses between two tries, ms: from the first to the second, doubling. */
const MIN_PAUSE_MS = 500;
const MAX_PAUSE_MS = 5000;

/** No byte for so long means that it is lost, ms: there is a status each second. */
const SILENCE_MS = 5000;

/** Reads until the page is closed. */
export async function readEvents(handlers: StreamHandlers): Promise<never> {
  let token: string | undefined;
  let pauseMs = MIN_PAUSE_MS;
  for (;;) {
    try {
      const silence = new AbortController();
      const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const response = await fetch('events', { headers, signal: silence.signal, cache: 'no-store' });
      if (response.status === 401) {
        token = await handlers.askToken();
        continue;
      }
      if (!response.ok || response.body === null) throw new Error((await response.text()).trim());
      await readBody(response.body, silence, (event, data) => {
        pauseMs = MIN_PAUSE_MS;
        if (event === 'status') handlers.onStatus(JSON.parse(data) as StatusReport);
        else if (event === 'note') handlers.onNote(JSON.parse(data) as Note);
      });
      throw new Error('the connection has ended');
    } catch (error) {
      handlers.onLost(error instanceof Error ? error.message : String(error), pauseMs);
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    pauseMs = Math.min(MAX_PAUSE_MS, pauseMs * 2);
  }
}

async function readBody(
  body: ReadableStream<Uint8Array>,
  silence: AbortController,
  onEvent: (event: string, data: string) => void,
): Promise<void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  for (;;) {
    const timer = setTimeout(() => silence.abort(new Error('nothing is heard any more')), SILENCE_MS);
    const { done, value } = await reader.read();
    clearTimeout(timer);
    if (done) return;
    text += decoder.decode(value, { stream: true });
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const event = /^event: (.*)$/m.exec(block)?.[1] ?? '';
      const data = /^data: (.*)$/m.exec(block)?.[1] ?? '';
      if (data !== '') onEvent(event, data);
    }
  }
}
