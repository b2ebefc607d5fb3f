/** The keys of a pair: their masters are made from tokens once, at the start, and found by what HELLO says. */
import { deriveKid, deriveMaster, deriveTunnelKey, NO_TOKEN_MASTER } from '../wire/proof.ts';

/** What a token is good for. */
export interface TokenTerms {
  /** For events and logs. */
  readonly name?: string | undefined;
  /** Nobody gets in with it from then on; ms since 1970. Default: never. */
  readonly expiresAt?: number | undefined;
  /** The only tunnels that it opens. Default: all. */
  readonly tunnels?: ReadonlySet<string> | undefined;
}

/** A token as an option gave it. */
export interface Token extends TokenTerms {
  readonly token: string;
}

/** The tokens that one side knows. Holds derived keys only, never a token. */
export class TokenRing {
  readonly #masters: ReadonlyMap<string, { readonly master: Buffer; readonly terms: TokenTerms }>;

  private constructor(masters: readonly (readonly [Buffer, TokenTerms])[]) {
    this.#masters = new Map(masters.map(([master, terms]) => [deriveKid(master), { master, terms }]));
  }

  /**
   * Derives the keys, which takes about a tenth of a second of CPU for each token, off the main thread.
   *
   * @param tokens in the order of preference; none means that nobody has to prove anything
   */
  static async from(tokens: readonly (string | Token)[]): Promise<TokenRing> {
    if (tokens.length === 0) return new TokenRing([[NO_TOKEN_MASTER, {}]]);
    const made = tokens.map(async (given) => {
      const { token, ...terms } = typeof given === 'string' ? { token: given } : given;
      return [await deriveMaster(token), terms] as const;
    });
    return new TokenRing(await Promise.all(made));
  }

  /** Names the first token, for HELLO. */
  get kid(): string {
    return this.#masters.keys().next().value as string;
  }

  /** What the token of that name is good for; nothing is known of one that is not there. */
  termsOf(kid: string): TokenTerms {
    return this.#masters.get(kid)?.terms ?? {};
  }

  /**
   * The key of a tunnel under the token of that name; undefined when there is no such token. Made each time, which takes
   * 11 µs: a stranger who knows a token's name may ask for tunnels without end, and what is not kept cannot be filled.
   */
  keyFor(kid: string, tunnel: string): Buffer | undefined {
    const master = this.#masters.get(kid)?.master;
    return master === undefined ? undefined : deriveTunnelKey(master, tunnel);
  }
}
