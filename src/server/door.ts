/**
 * What a server pool lets connections in by: addresses, TLS, tokens. Each part can be replaced while the pool runs: who
 * comes from then on meets the new one, and who is in or on the way stays. What is wrong changes nothing.
 */
import type { TlsOptions } from 'node:tls';
import * as v from 'valibot';
import { AddressRules } from '../shared/net/address-rules.ts';
import { checkOptions } from '../shared/options.ts';
import type { ServerGreetingOptions } from '../shared/session/greeting.ts';
import { type Token, TokenRing } from '../shared/session/token-ring.ts';
import { serverMaterial } from '../shared/tls/material.ts';
import { serverTlsSettings, type ServerTlsOptions } from '../shared/tls/modes.ts';
import type { Pem, TlsMaterial } from '../shared/tls/pem.ts';
import type { ArrivalRules } from './arrival.ts';

export interface DoorOptions extends Omit<ArrivalRules, 'tls' | 'greeting'> {
  readonly tls: ServerTlsOptions;
  readonly tokens: readonly Token[];
  readonly allow: AddressRules;
  /** Whether connections greet, or are raw. */
  readonly session: boolean;
}

/** What becomes of those who have proved a token. */
type Admission = Pick<ServerGreetingOptions, 'hasTunnel' | 'admit' | 'prepare'>;

/** The parts of `tls` that can be replaced while a pool runs. What is left out stays as it is. */
export type TlsRenewal = Pick<ServerTlsOptions, 'cert' | 'key' | 'clientCa'>;

const allowSchema = v.array(v.string('wants texts'), 'wants a list');
const pem = v.optional(v.custom<Pem>((value) => typeof value === 'string' || Buffer.isBuffer(value), 'wants PEM'));
const renewalSchema = v.strictObject({ cert: pem, key: pem, clientCa: pem });

/** TLS as it is now. All undefined in mode 0. */
interface Secured {
  readonly material: TlsMaterial | undefined;
  readonly settings: TlsOptions | undefined;
}

export class Door {
  readonly #options: DoorOptions;
  readonly #greeting: Admission;
  #allow: AddressRules;
  #tls: ServerTlsOptions;
  #secured: Secured | undefined;
  #ring: TokenRing | undefined;
  /** Until the last change has been made: each waits for the one before, so that the last one asked for counts. */
  #changes: Promise<unknown> = Promise.resolve();

  constructor(options: DoorOptions, greeting: Admission) {
    this.#options = options;
    this.#greeting = greeting;
    this.#allow = options.allow;
    this.#tls = options.tls;
  }

  /** Who may connect at all. */
  get allow(): AddressRules {
    return this.#allow;
  }

  /** The certificate's; undefined before {@link prepare} and without TLS. */
  get fingerprint(): string | undefined {
    return this.#secured?.material?.fingerprint;
  }

  /** What the next arrival is judged by. Only after {@link prepare}. */
  get rules(): ArrivalRules {
    const { session, idFormat, handshakeTimeoutMs, clock } = this.#options;
    const greeting = { ...this.#greeting, tokens: this.#ring as TokenRing, wallNow: () => clock.wallNow() };
    const tls = this.#secured?.settings;
    return { tls, greeting: session ? greeting : undefined, idFormat, handshakeTimeoutMs, clock };
  }

  /**
   * Makes keys and certificate.
   *
   * @throws InvalidOptionError for a certificate that is no good
   */
  prepare(): Promise<void> {
    return this.#change(async () => {
      const { tokens } = this.#options;
      [this.#ring, this.#secured] = await Promise.all([
        this.#ring ?? TokenRing.from(tokens),
        this.#secured ?? secure(this.#tls),
      ]);
    });
  }

  /** Takes other tokens, already checked. */
  setTokens(tokens: readonly Token[]): Promise<void> {
    return this.#change(async () => {
      this.#ring = await TokenRing.from(tokens);
    });
  }

  /** @throws InvalidOptionError naming the first entry that is not an address or range */
  setAllow(entries: readonly string[]): void {
    this.#allow = new AddressRules({ allow: checkOptions(allowSchema, entries, 'allow') });
  }

  /** @throws InvalidOptionError naming the `tls.…` option that cannot be used */
  setTls(renewal: TlsRenewal): Promise<void> {
    return this.#change(async () => {
      const given = Object.entries(checkOptions(renewalSchema, renewal, 'tls')).filter(
        ([, part]) => part !== undefined,
      );
      const tls: ServerTlsOptions = { ...this.#tls, ...Object.fromEntries(given) };
      this.#secured = await secure(tls, this.#secured?.material);
      this.#tls = tls;
    });
  }

  #change(change: () => Promise<void>): Promise<void> {
    const changed = this.#changes.then(change);
    this.#changes = changed.catch(() => {});
    return changed;
  }
}

/** @param present what a server that makes its certificate by itself keeps: its fingerprint may be pinned */
async function secure(tls: ServerTlsOptions, present?: TlsMaterial): Promise<Secured> {
  const material = tls.cert === undefined && present !== undefined ? present : await serverMaterial(tls);
  return { material, settings: material === undefined ? undefined : serverTlsSettings(tls, material) };
}
