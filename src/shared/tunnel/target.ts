import { connect, type Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { TargetError } from '../errors.ts';
import { type Address, formatAddress } from '../net/address.ts';
import { isShortage } from '../net/shortage.ts';
import { SOCKET_OPTIONS } from '../net/socket-options.ts';
import { ResetCode } from '../wire/frame.ts';

/** A connection to the target under way. Bytes may be written at once; they are sent when it is connected. */
export interface TargetConnection {
  readonly socket: Socket;
  /** Whether the target has accepted. */
  readonly connected: boolean;
  /** The RESET code for an end by this error: why the target was not reached, or that it broke off. */
  codeOf(error: Error | undefined): number;
}

/** A socket that begins to connect. */
export function openTarget(address: Address): Socket {
  return connect({ ...address, ...SOCKET_OPTIONS });
}

/** Dials the target. `onConnected` is called once when it is there; a failure shows as the socket's own. */
export function connectTarget(
  address: Address,
  timeoutMs: number,
  clock: Clock,
  onConnected: () => void,
): TargetConnection {
  const socket = openTarget(address);
  let connected = false;
  const timer = clock.setTimeout(() => {
    socket.destroy(
      new TargetError(`the target ${formatAddress(address)} did not answer within ${Math.round(timeoutMs)} ms`),
    );
  }, timeoutMs);
  socket.once('connect', () => {
    connected = true;
    clock.clearTimeout(timer);
    onConnected();
  });
  socket.once('close', () => clock.clearTimeout(timer));
  return {
    socket,
    get connected() {
      return connected;
    },
    codeOf: (error) => (connected ? ResetCode.targetReset : failureCode(error)),
  };
}

function failureCode(error: NodeJS.ErrnoException | undefined): number {
  // Somebody else may have what this side lacks.
  if (isShortage(error)) return ResetCode.limit;
  if (error instanceof TargetError || error?.code === 'ETIMEDOUT') return ResetCode.targetTimeout;
  const unknown = error?.syscall === 'getaddrinfo' || error?.code === 'ENOENT';
  return unknown ? ResetCode.targetNotFound : ResetCode.targetRefused;
}
