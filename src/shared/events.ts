/** Typed events that also reach `node:diagnostics_channel`, and that cost nothing while nobody listens. */
import diagnostics from 'node:diagnostics_channel';
import { EventEmitter } from 'node:events';

/** Events by name, each with one argument: a plain object. */
type MessageMap<M> = { readonly [K in keyof M]: [object] };

/** The channels of each source, by event. Shared by all its instances: a channel is global anyway. */
const sources = new Map<string, Map<string, diagnostics.Channel>>();

/** Throws where no connection's handler is on the stack: a bug of a listener is not hidden, and breaks nothing here. */
export function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

/** Whether anybody hears one event of one emitter: for those who ask at every visit. */
export interface Ear {
  readonly open: boolean;
}

/**
 * An emitter whose events also go to the channel `poold:<source>:<event>`. Whoever emits often asks {@link heard}
 * first, so that an event nobody hears costs no object.
 */
export class Events<M extends MessageMap<M>> extends EventEmitter<M> {
  readonly #source: string;
  readonly #channels: Map<string, diagnostics.Channel>;

  constructor(source: string) {
    super();
    this.#source = source;
    let channels = sources.get(source);
    if (channels === undefined) sources.set(source, (channels = new Map()));
    this.#channels = channels;
  }

  /** Whether anybody would hear this event. */
  protected heard(event: keyof M & string): boolean {
    return (this as EventEmitter).listenerCount(event) > 0 || this.#channel(event).hasSubscribers;
  }

  /** {@link heard} without looking the channel up each time. */
  protected ear(event: keyof M & string): Ear {
    const emitter = this as EventEmitter;
    const channel = this.#channel(event);
    return {
      get open() {
        return emitter.listenerCount(event) > 0 || channel.hasSubscribers;
      },
    };
  }

  /** Tells the listeners and the channel. What a listener throws is thrown later. */
  protected tell<K extends keyof M & string>(event: K, message: M[K][0]): void {
    try {
      (this as EventEmitter).emit(event, message);
    } catch (error) {
      throwLater(error);
    }
    const channel = this.#channel(event);
    if (channel.hasSubscribers) channel.publish(message);
  }

  #channel(event: string): diagnostics.Channel {
    let channel = this.#channels.get(event);
    if (channel === undefined) {
      channel = diagnostics.channel(`poold:${this.#source}:${event}`);
      this.#channels.set(event, channel);
    }
    return channel;
  }
}
