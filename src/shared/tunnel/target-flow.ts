/** One flow where it comes out: a socket of its own that talks to the target alone, so that answers find their way back. */
import type { Socket } from 'node:dgram';
import { isIP } from 'node:net';
import type { HostAddress } from '../net/address.ts';
import { connectDatagrams, isFull, numberOf } from './datagram-socket.ts';
import type { ExitCarrier } from './exit-carrier.ts';
import { Flow } from './flow.ts';
import type { Target } from './targets.ts';

/** Datagrams that wait for the target's name to be looked up. */
const MAX_WAITING = 16;

/** The errors that speak of the target, and not of one datagram. */
const UNREACHED: ReadonlySet<string> = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'EHOSTDOWN', 'ENETUNREACH']);

/** Who hears of a flow's target. */
export interface TargetFlowOwner {
  onAnswer(flow: TargetFlow, datagram: Buffer): void;
  /** So many datagrams did not reach it. */
  onDropped(why: 'target' | 'unsent', count: number): void;
  /** The target refuses, or there is no way to it. */
  onFailed(flow: TargetFlow, error: Error): void;
}

export class TargetFlow extends Flow<TargetFlow> {
  /** What brings it, and its number there. */
  readonly carrier: ExitCarrier;
  readonly number: number;
  readonly target: Target;
  /** The target has refused since it last answered. */
  refused = false;
  readonly #owner: TargetFlowOwner;
  #socket: Socket | undefined;
  #waiting: Buffer[] = [];
  #closed = false;

  constructor(
    carrier: ExitCarrier,
    number: number,
    remote: string,
    target: Target,
    now: number,
    owner: TargetFlowOwner,
  ) {
    super(remote, now);
    this.carrier = carrier;
    this.number = number;
    this.target = target;
    this.#owner = owner;
  }

  /** Whether it has a socket. */
  get connected(): boolean {
    return this.#socket !== undefined;
  }

  /** Makes the socket, now where the target has a number. What goes wrong, the owner hears. */
  open(): void {
    const { host, port } = this.target.address as HostAddress;
    if (isIP(host) !== 0) this.#connect(host, port);
    else void this.#lookUp(host, port);
  }

  send(datagram: Buffer): void {
    const socket = this.#socket;
    if (socket === undefined) this.#wait(datagram);
    else if (isFull(socket)) this.#owner.onDropped('unsent', 1);
    else socket.send(datagram, this.#sent);
  }

  close(): void {
    this.#closed = true;
    this.#socket?.close();
    this.#socket = undefined;
    this.#waiting = [];
  }

  async #lookUp(host: string, port: number): Promise<void> {
    try {
      const number = await numberOf(host);
      if (!this.#closed) this.#connect(number, port);
    } catch (error) {
      if (!this.#closed) this.#fail(error as Error);
    }
  }

  #connect(host: string, port: number): void {
    try {
      const socket = connectDatagrams(host, port);
      socket.on('message', (datagram) => this.#owner.onAnswer(this, datagram));
      // What the target's machine says of an earlier datagram.
      socket.on('error', (error) => this.#sent(error));
      this.#socket = socket;
    } catch (error) {
      return this.#fail(error as Error);
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const datagram of waiting) this.send(datagram);
  }

  #wait(datagram: Buffer): void {
    if (!this.#closed && this.#waiting.length < MAX_WAITING) this.#waiting.push(datagram);
    else this.#owner.onDropped('target', 1);
  }

  /** There is no socket, and there will be none. */
  #fail(error: Error): void {
    this.#owner.onDropped('target', this.#waiting.length);
    this.#waiting = [];
    this.#owner.onFailed(this, error);
  }

  readonly #sent = (error: NodeJS.ErrnoException | null): void => {
    if (error === null || this.#closed) return;
    this.#owner.onDropped('target', 1);
    if (UNREACHED.has(error.code ?? '')) this.#owner.onFailed(this, error);
  };
}
