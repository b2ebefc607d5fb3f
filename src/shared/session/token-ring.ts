/** The keys of a pair: made from tokens once, at the start, and looked up by what HELLO says. */
import { deriveKid, deriveMaster, deriveTunnelKey, NO_TOKEN_MASTER } from '../wire/proof.ts';

/** Keys that are kept: a stranger who knows a token's name may ask for tunnels without end. */
const MAX_KEPT_KEYS = 4096;

/** The tokens that one side knows. Holds derived keys only, never a token. */
export class TokenRing {
  readonly #masters: ReadonlyMap<string, Buffer>;
  readonly #keys = new Map<string, Buffer>();

  private constructor(masters: ReadonlyMap<string, Buffer>) {
    this.#masters = masters;
  }

  /**
   * Derives the keys, which takes about a tenth of a second of CPU for each token, off the main thread.
   *
   * @param tokens in the order of preference; none means that nobody has to prove anything
   */
  static async from(tokens: readonly string[]): Promise<TokenRing> {
    const masters = tokens.length === 0 ? [NO_TOKEN_MASTER] : await Promise.all(tokens.map(deriveMaster));
    return new TokenRing(new Map(masters.map((master) => [deriveKid(master), master])));
  }

  /** Names the first token, for HELLO. */
  get kid(): string {
    return this.#masters.keys().next().value as string;
  }

  /** The key of a tunnel under the token of that name; undefined when there is no such token. */
  keyFor(kid: string, tunnel: string): Buffer | undefined {
    const master = this.#masters.get(kid);
    if (master === undefined) return undefined;
    const name = `${kid} ${tunnel}`;
    let key = this.#keys.get(name);
    if (key === undefined) {
      key = deriveTunnelKey(master, tunnel);
      if (this.#keys.size < MAX_KEPT_KEYS) this.#keys.set(name, key);
    }
    return key;
  }
}
