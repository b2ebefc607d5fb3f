import { readResponseHead } from './response-head.ts';

/**
 * The head by which a client hears that its connection goes on in another protocol, ready for the wire.
 *
 * @param raw names and values of the server's head, one after the other
 * @param wanted the protocol that the client has asked for, if the server does not name its own
 */
export function upgradeHead(status: number, raw: readonly string[], wanted: string | undefined): string {
  const { headers } = readResponseHead(raw, status);
  const lines = [`HTTP/1.1 ${status} Switching Protocols`, 'Connection: Upgrade'];
  for (let at = 0; at < headers.length; at += 2) lines.push(`${headers[at]}: ${headers[at + 1]}`);
  return `${[...lines, `Upgrade: ${protocolOf(raw) ?? wanted}`].join('\r\n')}\r\n\r\n`;
}

function protocolOf(raw: readonly string[]): string | undefined {
  const at = raw.findIndex((one, index) => index % 2 === 0 && one.toLowerCase() === 'upgrade');
  return at === -1 ? undefined : raw[at + 1];
}
