import type { ServerListener } from '../../server/server-listener.ts';
import { formatAddress } from '../net/address.ts';
import { Ears } from './ears.ts';
import type { ListenerSnapshot } from './snapshot.ts';
import { WordCounts } from './tally.ts';

/** Watches where clients connect, before it is known whose they are. */
export class ListenerWatch {
  readonly #listener: ServerListener;
  readonly #ears = new Ears();
  readonly #failed = new WordCounts<string>();

  constructor(listener: ServerListener) {
    this.#listener = listener;
    this.#ears.hear(listener, 'handshakeFailed', ({ error }) => this.#failed.add(error.code));
  }

  snapshot(): ListenerSnapshot {
    const { address } = this.#listener;
    const { arriving, slowedAddresses } = this.#listener.stats();
    return {
      listen: address === undefined ? '' : formatAddress(address),
      arriving,
      slowedAddresses,
      handshakesFailed: this.#failed.snapshot(),
    };
  }

  stop(): void {
    this.#ears.stop();
  }
}
