/** What OpenSSL says when a handshake fails, in words that say what to do. */

/** Said of whoever speaks something else than TLS where TLS is due. */
const NO_TLS = 'what came is no TLS; use the same --tls on both sides, and check the port';
const OLD_TLS = 'the other side has no TLS 1.3, and nothing older is spoken here; update it, or check the port';

/** By the `code` that Node gives OpenSSL's errors; several are one and the same fault, by time and by version. */
const FAULTS: Readonly<Record<string, string>> = {
  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NO_TLS,
  ERR_SSL_HTTP_REQUEST: `plain HTTP: ${NO_TLS}`,
  ERR_SSL_UNSUPPORTED_PROTOCOL: OLD_TLS,
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: OLD_TLS,
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: 'the client shows no certificate; start it with --cert and --key',
};

/** The alerts by which a server refuses a client's certificate (RFC 8446, 6.2), and what it thinks of it. */
const REFUSALS: Readonly<Record<string, string>> = {
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: 'it is damaged or wrongly signed',
  ERR_SSL_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE: 'it is not one for clients',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED: 'it is revoked',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: 'it has expired',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN: 'it cannot be judged',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: 'its authority is unknown there',
  ERR_SSL_TLSV1_ALERT_ACCESS_DENIED: 'it has no access',
};

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** What is wrong, and what to do; undefined if the error is none that is known here. */
export function tlsFault(error: unknown): string | undefined {
  return FAULTS[codeOf(error)];
}

/**
 * What a server's alert says about this client's certificate; undefined if the error is no such alert. In TLS 1.3 it comes
 * after the client's own handshake is done (RFC 8446, 4.4.2.4): before, nobody knows who has sent it.
 */
export function certificateRefusal(error: unknown): string | undefined {
  const code = codeOf(error);
  if (code === 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED') {
    return 'the server wants a client certificate; give one with --cert and --key';
  }
  const why = REFUSALS[code];
  return why === undefined ? undefined : `the server does not accept this client's certificate: ${why}`;
}
