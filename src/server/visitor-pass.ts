/**
 * Visitors handed from one process of a server to another, over loopback: to one that has a connection idle. Each comes
 * behind a few bytes that prove that it is one of ours and say where it comes from.
 */
import { timingSafeEqual } from 'node:crypto';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { Clock, Timer } from '../shared/clock.ts';
import { ProtocolError } from '../shared/errors.ts';
import { listenOptions, SOCKET_OPTIONS } from '../shared/net/socket-options.ts';
import { Relay, type RelayEnd } from '../shared/relay/relay.ts';
import type { StallWatch } from '../shared/relay/stall-watch.ts';
import { isAddress, readJson } from '../shared/wire/fields.ts';
import type { VisitorInfo } from './server-pool.ts';
import { SocketVisit } from './socket-visit.ts';

/** The secret's length, and that of the number in front of the JSON, bytes. */
const SECRET_BYTES = 16;
const LENGTH_BYTES = 2;

/** The longest JSON: two addresses. */
const MAX_JSON_BYTES = 512;

/** How long the bytes in front of a visitor may take, ms: they come from this machine. */
const PREFACE_MS = 2000;

const LOOPBACK = '127.0.0.1';

function ignore(): void {}

/** Where visitors of the other processes come in. */
export class PassListener {
  readonly #secret: Buffer;
  readonly #clock: Clock;
  readonly #onVisitor: (socket: Socket, visitor: VisitorInfo) => void;
  readonly #server: Server;

  /** @param secret 16 bytes that all processes of the server know, and nobody else */
  constructor(secret: Buffer, clock: Clock, onVisitor: (socket: Socket, visitor: VisitorInfo) => void) {
    this.#secret = secret;
    this.#clock = clock;
    this.#onVisitor = onVisitor;
    this.#server = createServer(SOCKET_OPTIONS, (socket) => this.#read(socket));
  }

  /** Listens, and resolves with the port. */
  start(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      // `exclusive`: not the port of all workers, but one of this one.
      this.#server.listen({ ...listenOptions({ host: LOOPBACK, port: 0 }, false), exclusive: true }, () => {
        resolve((this.#server.address() as AddressInfo).port);
      });
    });
  }

  close(): void {
    this.#server.close();
  }

  #read(socket: Socket): void {
    let length: number | undefined;
    const timer: Timer = this.#clock.setTimeout(() => socket.destroy(), PREFACE_MS);
    const done = (): void => {
      this.#clock.clearTimeout(timer);
      socket.off('readable', read).off('close', done);
    };
    const read = (): void => {
      try {
        length ??= this.#lengthIn(socket);
        const json = length === undefined ? null : (socket.read(length) as Buffer | null);
        if (json === null) return;
        done();
        this.#onVisitor(socket.off('error', ignore), visitorIn(json));
      } catch {
        done();
        socket.destroy();
      }
    };
    socket.on('readable', read).on('error', ignore).on('close', done);
  }

  /** The length of the JSON; undefined while too little has come. @throws ProtocolError for a stranger */
  #lengthIn(socket: Socket): number | undefined {
    const head = socket.read(SECRET_BYTES + LENGTH_BYTES) as Buffer | null;
    if (head === null) return undefined;
    const length = head.readUInt16BE(SECRET_BYTES);
    if (!timingSafeEqual(head.subarray(0, SECRET_BYTES), this.#secret) || length > MAX_JSON_BYTES) {
      throw new ProtocolError('this is no visitor of another process of the server');
    }
    return length;
  }
}

/** @throws ProtocolError */
function visitorIn(json: Buffer): VisitorInfo {
  const { remote, local } = readJson(json, 'PASS') as Record<string, unknown>;
  if (!isAddress(remote) || !isAddress(local)) throw new ProtocolError('PASS: the addresses are none');
  return { remote, local };
}

/** A visitor on its way to another process. */
export interface Pass {
  readonly socket: Socket;
  readonly visitor: VisitorInfo;
  /** The port of the other process's {@link PassListener}, and the secret. */
  readonly port: number;
  readonly secret: Buffer;
  readonly stallWatch: StallWatch;
  /** The other process is not there: the visitor is where it was. */
  readonly onFailed: () => void;
  /** It has been carried, and is over. */
  readonly onEnd: (end: RelayEnd) => void;
}

/** Hands a visitor to another process; nothing is read from it before the other has accepted. */
export function passVisitor({ socket, visitor, port, secret, stallWatch, onFailed, onEnd }: Pass): void {
  const json = Buffer.from(JSON.stringify(visitor));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt16BE(json.length);
  const far = connect({ port, host: LOOPBACK, ...SOCKET_OPTIONS });
  far.once('error', onFailed);
  socket.on('error', ignore);
  far.once('connect', () => {
    far.off('error', onFailed);
    far.write(Buffer.concat([secret, length, json]));
    const rules = { brokenCode: () => 0, stalledCode: 0, stallWatch, onEnd };
    void new Relay({ socket, visit: new SocketVisit(far), ...rules });
    socket.off('error', ignore);
  });
}
