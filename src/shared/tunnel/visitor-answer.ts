/** What a visitor is told, in its own protocol, when nobody at an address has the host that it asks for. */
import type { HostRead } from '../net/host-read.ts';

/** A fatal alert, unrecognized_name (RFC 8446, 6; RFC 6066, 3), in a record. */
const UNRECOGNIZED_NAME = Buffer.from([21, 3, 3, 0, 2, 2, 112]);

/** The request was meant for another server (RFC 9110, 15.5.20); 404 would speak for the host that nobody has. */
const MISDIRECTED = response('421 Misdirected Request', 'There is no service of that name at this address.');

/** RFC 9112, 3.2: what a request without one clear host must be told. */
const UNCLEAR = response('400 Bad Request', 'The request does not name one host.');

function response(status: string, text: string): Buffer {
  const head = `content-type: text/plain\r\ncontent-length: ${text.length + 1}\r\nconnection: close`;
  return Buffer.from(`HTTP/1.1 ${status}\r\n${head}\r\n\r\n${text}\n`, 'latin1');
}

/** The answer; undefined where only a reset is understood. */
export function answerTo({ protocol, unclear }: HostRead): Buffer | undefined {
  if (protocol === 'tls') return UNRECOGNIZED_NAME;
  if (protocol === 'http') return unclear ? UNCLEAR : MISDIRECTED;
  return undefined;
}
