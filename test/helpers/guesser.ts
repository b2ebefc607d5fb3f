/** Strangers who guess tokens: greetings with a wrong one, as fast as they are answered. */
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { Dial, type DialRules } from '../../src/client/dial.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { PoolClosedError } from '../../src/shared/errors.ts';
import type { HostAddress } from '../../src/shared/net/address.ts';
import { TokenRing } from '../../src/shared/session/token-ring.ts';
import { clientTlsSettings, type TlsMode } from '../../src/shared/tls/modes.ts';

export interface Guessers extends Disposable {
  /** Guesses that the server has called wrong. */
  readonly refused: number;
  /** Nobody guesses any more; the end of `using` does it, too. */
  stop(): void;
}

export interface GuesserOptions {
  readonly to: HostAddress;
  /** How many guess at once. */
  readonly atOnce: number;
  readonly tls: TlsMode;
  /** Where they come from. Default: where the system says. */
  readonly from?: string;
}

/** Starts them; each dials again, as another client, as soon as it has its answer, until they are stopped. */
export async function startGuessers({ to, atOnce, tls, from }: GuesserOptions): Promise<Guessers> {
  const tokens = await TokenRing.from(['a guess that is long enough, and wrong']);
  const way = from === undefined ? to : async () => connect({ ...to, localAddress: from, allowHalfOpen: true });
  const common = {
    to: way,
    tls: clientTlsSettings({ mode: tls }, to.host),
    fingerprint: undefined,
    proxy: undefined,
    keepAliveMs: 0,
  };
  const dials = new Set<Dial>();
  let [refused, stopped] = [0, false];
  const guess = (): void => {
    if (stopped) return;
    const hello = { tunnel: 'default', client: randomBytes(16).toString('hex'), agent: 'guesser/1' };
    const rules: DialRules = {
      ...common,
      idFormat: 'text8',
      greeting: { tokens, hello },
      handshakeTimeoutMs: 5000,
      clock: systemClock,
    };
    const over = (): void => {
      dials.delete(dial);
      setImmediate(guess);
    };
    const dial = new Dial(rules, {
      onRaw: over,
      onGreeted: (_id, socket) => {
        socket.on('error', () => {}).destroy();
        over();
      },
      onFailed: (error) => {
        if (error.code === 'POOLD_ERR_REJECTED') refused += 1;
        over();
      },
    });
    dials.add(dial);
  };
  for (let index = 0; index < atOnce; index += 1) guess();
  const stop = (): void => {
    stopped = true;
    for (const dial of [...dials]) dial.fail(new PoolClosedError('guessers'));
  };
  return {
    get refused() {
      return refused;
    },
    stop,
    [Symbol.dispose]: stop,
  };
}
