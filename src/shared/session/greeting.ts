/**
 * The greeting behind the tag: CHALLENGE → HELLO → WELCOME or REJECT. Pure: payloads in, payloads out. Nobody is
 * trusted before the proof, the server no more than the client (docs/protocol.md, "Authentication").
 */
import { randomBytes } from 'node:crypto';
import { ProtocolError, RejectedError, TokenExpiredError } from '../errors.ts';
import { encodeFrame } from '../wire/encode.ts';
import { FrameType, PROTOCOL_VERSION } from '../wire/frame.ts';
import {
  decodeChallenge,
  decodeHello,
  decodeReject,
  decodeWelcome,
  encodeChallenge,
  encodeHello,
  encodeHelloJson,
  encodeReject,
  encodeWelcome,
  encodeWelcomeJson,
  type Hello,
  type HelloInfo,
  NONCE_BYTES,
  type Settings,
} from '../wire/messages.ts';
import { clientProof, proofsEqual, serverProof, type Transcript } from '../wire/proof.ts';
import type { SessionRole } from './session-state.ts';
import type { TokenRing, TokenTerms } from './token-ring.ts';

/** What the greeting of one connection is bound to. */
export interface Channel {
  /** The tag's bytes as they went over the wire. */
  readonly tag: Buffer;
  /** TLS is on. */
  readonly secure: boolean;
  /** The TLS exporter's 32 bytes; zeros without TLS. */
  readonly binding: Buffer;
}

/** A greeting that came to its end: what both sides know of each other now. */
export interface Greeted {
  readonly role: SessionRole;
  readonly settings: Settings;
  readonly tunnel: string;
  /** The client process, 32 hex characters: the same on all its connections. */
  readonly client: string;
  readonly agent: string;
  /** At the server: the name of the token that was proved, if it has one, and when it expires, ms since 1970 or never (Infinity). */
  readonly token?: string | undefined;
  readonly tokenExpiresAt?: number | undefined;
}

/** One side of a greeting. */
export interface Greeting {
  /** The frame types that may come now. */
  readonly expects: readonly FrameType[];
  /** Whether a failure is told to the other side as REJECT: by the server. */
  readonly rejects: boolean;
  /** The frame to send first, if this side speaks first. */
  start(): Buffer | undefined;
  /**
   * Takes one payload of an expected type.
   *
   * @throws RejectedError, ProtocolError, BadSettingsError when the greeting has failed
   */
  receive(type: FrameType, payload: Buffer): Answer;
}

/** What a side says to a payload, and what it knows then; or that it will judge it later. */
export interface Answer {
  readonly reply?: Buffer;
  readonly greeted?: Greeted;
  /** Calls back, once or never, when `judge` may be called for the answer; it throws what {@link Greeting.receive} does. */
  readonly later?: (ready: (judge: () => Answer) => void) => void;
}

/** What the server decides about a client that has proved its token; throws RejectedError to turn it away. */
type Admit = (hello: Hello) => Settings;

/** How a server greets. */
export interface ServerGreetingOptions {
  readonly channel: Channel;
  readonly tokens: TokenRing;
  /** The time of day, ms since 1970: tokens expire by it. */
  readonly wallNow: () => number;
  /** Whether a tunnel of that name exists. */
  readonly hasTunnel: (tunnel: string) => boolean;
  readonly admit: Admit;
  /**
   * Makes what a client that has proved its token asks for before it can be admitted; undefined when nothing is to be made.
   * Throws RejectedError, or rejects with it, to turn the client away.
   */
  readonly prepare?: (hello: Hello, terms: TokenTerms) => Promise<void> | undefined;
  /** Calls `judge` when it is the turn of this HELLO: now, later or never. Without it, all are judged at once. */
  readonly turn?: (hello: HelloInfo, judge: () => void) => void;
  /** Told when a judged proof is of no token that is good here, an expired one among them, before it is refused. */
  readonly onWrongProof?: () => void;
}

/** Said to everyone who fails to prove the token, whatever was wrong. */
export const NO_PROOF = 'the token is wrong, or unknown here; use the same token on both sides';

/** The server's side: challenges, and judges the client's proof. */
export class ServerGreeting implements Greeting {
  expects: readonly FrameType[] = [FrameType.hello];
  readonly rejects = true;
  readonly #options: ServerGreetingOptions;
  readonly #challenge = encodeChallenge({ version: PROTOCOL_VERSION, nonce: randomBytes(NONCE_BYTES) });

  constructor(options: ServerGreetingOptions) {
    this.#options = options;
  }

  start(): Buffer {
    return encodeFrame(FrameType.challenge, 0, this.#challenge);
  }

  receive(_type: FrameType, payload: Buffer): Answer {
    const hello = this.#read(payload);
    const { turn } = this.#options;
    this.expects = [];
    if (turn === undefined) return this.#judge(hello);
    return { later: (ready) => turn(hello, () => ready(() => this.#judge(hello))) };
  }

  #judge(hello: Hello): Answer {
    const { channel, tokens, wallNow, prepare, onWrongProof } = this.#options;
    const { tunnel, kid } = hello;
    const key = tokens.keyFor(kid, tunnel);
    const transcript: Transcript = {
      ...channel,
      challenge: this.#challenge,
      clientNonce: hello.nonce,
      hello: hello.json,
    };
    if (key === undefined || !proofsEqual(clientProof(key, transcript), hello.proof)) {
      onWrongProof?.();
      throw new RejectedError('auth', NO_PROOF);
    }
    const terms = tokens.termsOf(kid);
    const { name, expiresAt = Infinity, tunnels } = terms;
    if (expiresAt <= wallNow()) {
      onWrongProof?.();
      throw new TokenExpiredError(name, expiresAt, NO_PROOF);
    }
    if (tunnels?.has(tunnel) === false) {
      throw new RejectedError('tunnel', `this token does not open the tunnel ${tunnel}; use one that does`);
    }
    const welcome = (): Answer => this.#welcome(hello, terms, key, transcript);
    const preparing = prepare?.(hello, terms);
    if (preparing === undefined) return welcome();
    const refuse = (error: unknown) => (): never => {
      throw error;
    };
    return {
      later: (ready) =>
        void preparing.then(
          () => ready(welcome),
          (error: unknown) => ready(refuse(error)),
        ),
    };
  }

  #welcome(hello: Hello, { name, expiresAt = Infinity }: TokenTerms, key: Buffer, transcript: Transcript): Answer {
    const { hasTunnel, admit } = this.#options;
    const { tunnel, client, agent } = hello;
    if (!hasTunnel(tunnel)) throw new RejectedError('tunnel', `there is no tunnel named ${tunnel} here`);
    const settings = admit(hello);
    const json = encodeWelcomeJson(settings);
    const proof = serverProof(key, { ...transcript, welcome: json });
    const role = settings.opener === 'server' ? 'opener' : 'acceptor';
    return {
      reply: encodeFrame(FrameType.welcome, 0, encodeWelcome(proof, json)),
      greeted: { role, settings, tunnel, client, agent, token: name, tokenExpiresAt: expiresAt },
    };
  }

  #read(payload: Buffer): Hello {
    try {
      return decodeHello(payload);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      throw new RejectedError('version', error.message);
    }
  }
}

/** The REJECT frame for a client that is turned away. */
export function rejectFrame({ reason, detail, retryAfterMs }: RejectedError): Buffer {
  const reject = { code: reason, message: detail, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  return encodeFrame(FrameType.reject, 0, encodeReject(reject));
}

/** How a client greets. */
export interface ClientGreetingOptions {
  readonly channel: Channel;
  readonly tokens: TokenRing;
  readonly hello: Omit<HelloInfo, 'kid'>;
  /** The side that is to open visits; undefined leaves it to the server. */
  readonly opener?: Settings['opener'] | undefined;
}

/** The client's side: proves first, then judges the server's proof. */
export class ClientGreeting implements Greeting {
  expects: readonly FrameType[] = [FrameType.challenge, FrameType.reject];
  readonly rejects = false;
  readonly #options: ClientGreetingOptions;
  readonly #key: Buffer;
  #transcript: Transcript | undefined;

  constructor(options: ClientGreetingOptions) {
    this.#options = options;
    this.#key = options.tokens.keyFor(options.tokens.kid, options.hello.tunnel) as Buffer;
  }

  start(): undefined {
    return undefined;
  }

  receive(type: FrameType, payload: Buffer): Answer {
    if (type === FrameType.challenge) return { reply: this.#hello(payload) };
    if (type === FrameType.welcome) return { greeted: this.#welcome(payload) };
    const { code, message, retryAfterMs } = decodeReject(payload);
    throw new RejectedError(code, message, retryAfterMs);
  }

  #hello(challenge: Buffer): Buffer {
    decodeChallenge(challenge);
    const { channel, tokens, hello } = this.#options;
    const clientNonce = randomBytes(NONCE_BYTES);
    const json = encodeHelloJson({ ...hello, kid: tokens.kid });
    this.#transcript = { ...channel, challenge: Buffer.from(challenge), clientNonce, hello: json };
    this.expects = [FrameType.welcome, FrameType.reject];
    return encodeFrame(FrameType.hello, 0, encodeHello(clientProof(this.#key, this.#transcript), clientNonce, json));
  }

  #welcome(payload: Buffer): Greeted {
    const { proof, json, ...settings } = decodeWelcome(payload);
    const transcript = { ...(this.#transcript as Transcript), welcome: json };
    if (!proofsEqual(serverProof(this.#key, transcript), proof)) {
      throw new ProtocolError(
        'the server does not prove that it knows the token: it is another server, or somebody is in between',
      );
    }
    const { tunnel, client, agent } = this.#options.hello;
    const { opener = settings.opener } = this.#options;
    if (settings.opener !== opener) {
      const flow = settings.opener === 'server' ? 'reverse' : 'forward';
      throw new RejectedError('tunnel', `the tunnel ${tunnel} there is a ${flow} one; use the same flow on both sides`);
    }
    const role = settings.opener === 'client' ? 'opener' : 'acceptor';
    return { role, settings, tunnel, client, agent };
  }
}
