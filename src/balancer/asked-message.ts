import { IncomingMessage } from 'node:http';

/** What Node's parser has said, until somebody asks. */
const SAID = Symbol('upgrade');

interface Said {
  [SAID]?: boolean;
}

/**
 * A request as Node reads it; only, one that would go on in another protocol is no upgrade where that cannot be: with a body,
 * which Node would not read, and to HTTP/2 in clear text, over which a client would speak to a server past all that is checked
 * here. Any server may leave an upgrade alone (RFC 9110, 7.8); clients ask for HTTP/2 with their first request whatever it is.
 */
export class AskedMessage extends IncomingMessage {
  /** What Node sets, and asks when it has read the head. */
  get upgrade(): boolean {
    if ((this as Said)[SAID] !== true) return false;
    if (this.method === 'CONNECT') return true;
    const { upgrade = '', 'content-length': length = '0', 'transfer-encoding': coding } = this.headers;
    return !/h2c/i.test(upgrade) && Number(length) === 0 && coding === undefined;
  }

  set upgrade(said: boolean) {
    (this as Said)[SAID] = said;
  }
}
