/**
 * Visitors handed from one process of a server to another, over loopback: to one that has a connection idle. Each comes
 * behind a few bytes that prove that it is one of ours and say where it comes from; a byte in answer says that it is taken.
 */
import { timingSafeEqual } from 'node:crypto';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '../shared/clock.ts';
import { ProtocolError } from '../shared/errors.ts';
import { listenOptions, SOCKET_OPTIONS } from '../shared/net/socket-options.ts';
import { Relay, type RelayEnd } from '../shared/relay/relay.ts';
import type { StallWatch } from '../shared/relay/stall-watch.ts';
import { isAddress, isName, readJson } from '../shared/wire/fields.ts';
import type { VisitorInfo } from '../shared/tunnel/visit-pool.ts';
import { SocketVisit } from './socket-visit.ts';

/** The secret's length, and that of the number in front of the JSON, bytes. */
const SECRET_BYTES = 16;
const LENGTH_BYTES = 2;

/** The longest JSON: two addresses, and a tunnel's name. */
const MAX_JSON_BYTES = 512;

/** The answer. */
const TAKEN = Buffer.of(1);

/** How long the other process may take, in either direction, ms: it is on this machine. */
const PATIENCE_MS = 2000;

const LOOPBACK = '127.0.0.1';

function ignore(): void {}

/** A visitor of another process, and whose it is. */
export interface PassedVisitor extends VisitorInfo {
  readonly tunnel: string;
}

/** Takes a visitor of another process, or returns false and leaves it there. */
export type TakeVisitor = (socket: Socket, visitor: PassedVisitor) => boolean;

/** Where visitors of the other processes come in. */
export class PassListener {
  readonly #secret: Buffer;
  readonly #clock: Clock;
  readonly #take: TakeVisitor;
  readonly #server: Server;

  /** @param secret 16 bytes that all processes of the server know, and nobody else */
  constructor(secret: Buffer, clock: Clock, take: TakeVisitor) {
    this.#secret = secret;
    this.#clock = clock;
    this.#take = take;
    this.#server = createServer(SOCKET_OPTIONS, (socket) => this.#read(socket));
  }

  /** Listens, and resolves with the port. */
  start(): Promise<number> {
    return new Promise((resolve, reject) => {
      // Kept: when it fails to accept later, the other process keeps its visitor.
      this.#server.on('error', reject);
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
    const timer = this.#clock.setTimeout(() => socket.destroy(), PATIENCE_MS);
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
        this.#answer(socket, visitorIn(json));
      } catch {
        done();
        socket.destroy();
      }
    };
    socket.on('readable', read).on('error', ignore).on('close', done);
  }

  #answer(socket: Socket, visitor: PassedVisitor): void {
    // First the answer: what the target says comes behind it.
    socket.cork();
    socket.write(TAKEN);
    const taken = this.#take(socket, visitor);
    if (taken) socket.uncork();
    else socket.destroy();
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
function visitorIn(json: Buffer): PassedVisitor {
  const { tunnel, remote, local } = readJson(json, 'PASS') as Record<string, unknown>;
  if (!isName(tunnel)) throw new ProtocolError('PASS: the tunnel has no name');
  if (!isAddress(remote) || !isAddress(local)) throw new ProtocolError('PASS: the addresses are none');
  return { tunnel, remote, local };
}

/** A visitor on its way to another process. */
export interface Pass {
  readonly socket: Socket;
  readonly visitor: PassedVisitor;
  /** The port of the other process's {@link PassListener}, and the secret. */
  readonly port: number;
  readonly secret: Buffer;
  readonly stallWatch: StallWatch;
  readonly clock: Clock;
  /** The other process does not take it: the visitor is where it was, and nothing has been read from it. */
  readonly onFailed: () => void;
  /** It is over: carried, or gone before it was. */
  readonly onEnd: (end: RelayEnd) => void;
}

/** Hands a visitor to another process; nothing is read from it before the other has taken it. */
export function passVisitor({ socket, visitor, port, secret, stallWatch, clock, onFailed, onEnd }: Pass): void {
  const json = Buffer.from(JSON.stringify(visitor));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt16BE(json.length);
  const far = connect({ port, host: LOOPBACK, ...SOCKET_OPTIONS });
  far.write(Buffer.concat([secret, length, json]));
  const timer = clock.setTimeout(() => far.destroy(), PATIENCE_MS);
  const settle = (): void => {
    clock.clearTimeout(timer);
    far.off('readable', taken).off('end', ended).off('close', failed);
    socket.off('error', ignore).off('close', left);
  };
  const taken = (): void => {
    if (far.read(TAKEN.length) === null) return;
    settle();
    const rules = { brokenCode: () => 0, stalledCode: 0, stallWatch, onEnd };
    void new Relay({ socket, visit: new SocketVisit(far), ...rules });
    far.off('error', ignore);
  };
  const ended = (): unknown => far.destroy();
  const failed = (): void => {
    settle();
    onFailed();
  };
  const left = (): void => {
    settle();
    far.destroy();
    onEnd('broken');
  };
  far.on('readable', taken).on('end', ended).on('error', ignore).on('close', failed);
  socket.on('error', ignore).on('close', left);
}
