import type { HelloInfo } from '../shared/wire/messages.ts';

/** Clients of each token that are remembered; the one that was let in least recently goes first. */
const MAX_PER_TOKEN = 4096;

/** Who says HELLO, and with which token. */
export type Caller = Pick<HelloInfo, 'client' | 'kid'>;

/**
 * Clients that have been let in. Each token has places of its own, so that whoever holds one pushes out nobody who holds
 * another; and as only tokens that are good here have any, there are as many sets as there were tokens.
 */
export class KnownClients {
  readonly #max: number;
  readonly #byKid = new Map<string, Set<string>>();

  constructor(max = MAX_PER_TOKEN) {
    this.#max = max;
  }

  has({ client, kid }: Caller): boolean {
    return this.#byKid.get(kid)?.has(client) === true;
  }

  add({ client, kid }: Caller): void {
    let clients = this.#byKid.get(kid);
    if (clients === undefined) this.#byKid.set(kid, (clients = new Set()));
    // Back in at the end: a set keeps the order in which its members came.
    clients.delete(client);
    clients.add(client);
    const [oldest] = clients;
    if (clients.size > this.#max && oldest !== undefined) clients.delete(oldest);
  }
}
