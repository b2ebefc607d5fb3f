/** What clients are told when no server answers them. Nothing of it names a server. */
import type { ServerResponse } from 'node:http';
import type { Clock } from '../shared/clock.ts';
import { closeBehind } from './lingering-close.ts';

export type OwnStatus = 400 | 408 | 413 | 417 | 501 | 502 | 503 | 504;

const NAMES: Readonly<Record<OwnStatus, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  413: 'Content Too Large',
  417: 'Expectation Failed',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};

/** The answer to what is no HTTP, as it goes over the wire. */
export function rawAnswer(status: 400 | 408 | 431): string {
  const name = status === 431 ? 'Request Header Fields Too Large' : NAMES[status];
  return `HTTP/1.1 ${status} ${name}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`;
}

/**
 * Answers in place of a server. Nothing must have been answered yet. One that is to be the last on its connection gets to its
 * client even if that is still sending its body.
 */
export function answer(response: ServerResponse, status: OwnStatus, says: string, clock: Clock): void {
  const body = `${status} ${NAMES[status]}: ${says}\n`;
  response.writeHead(status, NAMES[status], [
    'Content-Type',
    'text/plain; charset=utf-8',
    'Cache-Control',
    'no-store',
    'Content-Length',
    String(Buffer.byteLength(body)),
  ]);
  // One without a socket waits for those before it.
  if (response.shouldKeepAlive || response.req.complete || response.socket === null) response.end(body);
  else {
    response.write(body);
    closeBehind(response.req, clock);
  }
}
