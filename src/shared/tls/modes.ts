/** The three TLS modes, and what each means for `node:tls` at either end. */

import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import {
  type ConnectionOptions,
  checkServerIdentity,
  createSecureContext,
  type SecureContext,
  type SecureContextOptions,
  type TlsOptions,
} from 'node:tls';
import { InvalidOptionError, reasonOf } from '../errors.ts';
import { normaliseFingerprint } from './fingerprint.ts';
import { type Pem, pemMaterial, type TlsMaterial } from './pem.ts';

/**
 * - `0`: no TLS.
 * - `1`: the server makes itself a certificate (or shows any that it is given), and the client verifies nothing (unless it pins a
 *   fingerprint); a token's proof is bound to the connection.
 * - `2`: the server loads a certificate, and the client verifies its chain and host name.
 */
export type TlsMode = 0 | 1 | 2;

export interface ServerTlsOptions {
  readonly mode: TlsMode;
  /** Mode 2, required: the certificate, with its chain behind it. Mode 1: in place of one made in memory. */
  readonly cert?: Pem;
  /** The certificate's private key, without a passphrase. */
  readonly key?: Pem;
  /** Mode 2: only clients with a certificate from these authorities may connect. */
  readonly clientCa?: Pem;
}

export interface ClientTlsOptions {
  readonly mode: TlsMode;
  /**
   * The name to ask for (SNI) and, in mode 2, to verify in place of the address that is dialled.
   */
  readonly hostname?: string;
  /** Mode 2: the authorities to trust in place of those that Node brings along. */
  readonly ca?: Pem;
  /** Modes 1 and 2: the SHA-256 fingerprint that the server's certificate must have. */
  readonly fingerprint?: string;
  /** Mode 2: the certificate to show where the server asks for one (`clientCa`), with its chain behind it. */
  readonly cert?: Pem;
  /** The certificate's private key, without a passphrase. */
  readonly key?: Pem;
}

/** TLS 1.2 has neither the exporter of 1.3 nor its short handshake, and all of our peers speak 1.3. */
const MIN_VERSION = 'TLSv1.3';

const MODES: ReadonlySet<unknown> = new Set([0, 1, 2]);

/** Options that go together, each with the other. */
const PAIR = [
  ['cert', 'key'],
  ['key', 'cert'],
] as const;

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----/gs;

/** @throws InvalidOptionError naming the `tls.…` option that is wrong or does not fit the mode */
export function checkServerTls(options: ServerTlsOptions): void {
  checkMode(options.mode);
  for (const [name, other] of PAIR) {
    const needed = options.mode === 2 || (options.mode === 1 && options[other] !== undefined);
    if (needed && options[name] === undefined) {
      throw new InvalidOptionError(
        `tls.${name}`,
        'is missing; mode 2 needs a certificate and its key, mode 1 both or neither',
      );
    }
    if (options.mode === 0 && options[name] !== undefined) {
      throw new InvalidOptionError(`tls.${name}`, 'has no effect in mode 0; use mode 1 or 2');
    }
  }
  checkAuthorities('tls.clientCa', options.clientCa, options.mode);
}

/** @throws InvalidOptionError naming the `tls.…` option that is wrong or does not fit the mode */
export function checkClientTls(options: ClientTlsOptions): void {
  checkMode(options.mode);
  for (const name of ['hostname', 'fingerprint'] as const) {
    if (options.mode === 0 && options[name] !== undefined) {
      throw new InvalidOptionError(`tls.${name}`, 'has no effect in mode 0; use mode 1 or 2');
    }
  }
  if (options.hostname === '') {
    throw new InvalidOptionError('tls.hostname', 'is empty; leave it out to use the address that is dialled');
  }
  if (options.fingerprint !== undefined) {
    try {
      normaliseFingerprint(options.fingerprint);
    } catch (error) {
      throw new InvalidOptionError('tls.fingerprint', reasonOf(error), { cause: error });
    }
  }
  for (const [name, other] of PAIR) {
    if (options.mode !== 2 && options[name] !== undefined) {
      const problem = `has no effect in mode ${options.mode}, where servers ask for no client certificate; use mode 2`;
      throw new InvalidOptionError(`tls.${name}`, problem);
    }
    if (options.mode === 2 && options[name] === undefined && options[other] !== undefined) {
      throw new InvalidOptionError(`tls.${name}`, 'is missing; a client certificate and its key go together');
    }
  }
  if (options.cert !== undefined && options.key !== undefined) pemMaterial(options.cert, options.key, 'client');
  checkAuthorities('tls.ca', options.ca, options.mode);
}

/**
 * What a server needs for modes 1 and 2, made once and used for every connection. `secureContext` is
 * for `new TLSSocket`; `tls.createServer` and `setSecureContext` read what stands beside it. Only
 * `tls.createServer` verifies client certificates: a bare TLSSocket takes any.
 *
 * @throws InvalidOptionError naming the `tls.…` option that cannot be used
 */
export function serverTlsSettings(options: ServerTlsOptions, material: TlsMaterial): TlsOptions {
  checkServerTls(options);
  const { clientCa } = options;
  const secrets: SecureContextOptions = {
    minVersion: MIN_VERSION,
    cert: material.cert,
    key: material.key,
    ...(clientCa === undefined ? {} : { ca: clientCa }),
  };
  const verify = clientCa !== undefined;
  return {
    ...secrets,
    secureContext: makeContext('tls.cert', secrets),
    requestCert: verify,
    rejectUnauthorized: verify,
  };
}

/**
 * What `tls.connect` needs beside the address or the socket, made once and used for every dial;
 * undefined in mode 0. The pinned fingerprint is not checked here but by `checkFingerprint` when
 * the handshake is done; no session is ever passed, because a resumed one shows no certificate.
 *
 * @param host - the host that is dialled; undefined for a unix socket
 * @throws InvalidOptionError naming the `tls.…` option that cannot be used
 */
export function clientTlsSettings(options: ClientTlsOptions, host: string | undefined): ConnectionOptions | undefined {
  checkClientTls(options);
  if (options.mode === 0) {
    return undefined;
  }
  const { ca, cert, key } = options;
  const expected = options.hostname ?? host;
  // Beside a context, tls.connect reads nothing of what belongs into one.
  const secureContext = makeContext(cert === undefined ? 'tls.ca' : 'tls.cert', {
    minVersion: MIN_VERSION,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
  });
  // A server name must not be an IP address (RFC 6066, 3).
  const sni = expected === undefined || isIP(expected) !== 0 ? {} : { servername: expected };
  if (options.mode === 1) {
    return { secureContext, ...sni, rejectUnauthorized: false };
  }
  if (expected === undefined) {
    throw new InvalidOptionError('tls.hostname', 'is missing; mode 2 needs a name to verify on a unix socket');
  }
  return {
    secureContext,
    ...sni,
    rejectUnauthorized: true,
    // Not the name that tls.connect passes: that would be the address if `hostname` is an IP address.
    checkServerIdentity: (_name, certificate) => checkServerIdentity(expected, certificate),
  };
}

function checkMode(mode: unknown): void {
  if (!MODES.has(mode)) {
    throw new InvalidOptionError('tls.mode', `${String(mode)} is not a TLS mode; use 0, 1 or 2`);
  }
}

/** Node takes a CA text without any certificate silently, and then nobody can be verified. */
function checkAuthorities(option: string, pem: Pem | undefined, mode: TlsMode): void {
  if (pem === undefined) {
    return;
  }
  if (mode !== 2) {
    throw new InvalidOptionError(option, `has no effect in mode ${mode}, which verifies nothing; use mode 2`);
  }
  const blocks = String(pem).match(PEM_CERTIFICATE);
  if (blocks === null) {
    throw new InvalidOptionError(option, 'no certificate in PEM form; it must hold -----BEGIN CERTIFICATE-----');
  }
  try {
    for (const block of blocks) {
      void new X509Certificate(block);
    }
  } catch (error) {
    throw new InvalidOptionError(option, `a certificate in it cannot be read (${reasonOf(error)})`, { cause: error });
  }
}

function makeContext(option: string, secrets: SecureContextOptions): SecureContext {
  try {
    return createSecureContext(secrets);
  } catch (error) {
    throw new InvalidOptionError(option, `not accepted by OpenSSL (${reasonOf(error)})`, { cause: error });
  }
}
