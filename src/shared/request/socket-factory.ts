/** Where the sockets of requests are dialled. */
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import * as v from 'valibot';
import { checkOptions, instance, milliseconds, wholeNumber } from '../options.ts';
import type { ResourceFactory } from './resource-factory.ts';

/** Where a {@link socketFactory} connects to. */
export interface SocketFactoryOptions {
  readonly host: string;
  readonly port: number;
  /** TLS, with the options of `node:tls`; `servername` is the host if that is a name. Default: none. */
  readonly tls?: ConnectionOptions | undefined;
  /** TCP keep-alive after so much silence, ms; 0 none. Default 30000. */
  readonly keepAliveMs?: number | undefined;
}

const schema = v.strictObject({
  host: v.pipe(v.string('wants a name or an address'), v.minLength(1, 'wants a name or an address')),
  port: wholeNumber(1, 65_535),
  tls: v.optional(instance<ConnectionOptions>('options of node:tls')),
  keepAliveMs: v.optional(milliseconds(), 30_000),
});

/**
 * Sockets to one address, by TCP or TLS. An idle one is read, so that its end shows, and bytes that nobody has asked for; one
 * that comes back with something unread or unsent has no next borrower.
 *
 * @throws InvalidOptionError naming the option
 */
export function socketFactory(options: SocketFactoryOptions): ResourceFactory<Socket> {
  const { host, port, tls, keepAliveMs } = checkOptions(schema, options);
  const tlsOptions = isIP(host) === 0 ? { servername: host, ...tls } : tls;
  const looks = new WeakMap<Socket, () => void>();
  return {
    create: ({ signal }) =>
      new Promise((resolve, reject) => {
        const socket = tls === undefined ? connect({ host, port }) : connectTls({ ...tlsOptions, host, port });
        const event = tls === undefined ? 'connect' : 'secureConnect';
        const aborted = (): void => {
          socket.destroy();
          reject(signal.reason as Error);
        };
        // Stays for the socket's life: 'close' follows, and says what matters.
        socket.on('error', reject);
        socket.once(event, () => {
          signal.removeEventListener('abort', aborted);
          // As options, tls.connect would not know them.
          socket.setNoDelay(true).setKeepAlive(keepAliveMs > 0, keepAliveMs);
          resolve(socket);
        });
        signal.addEventListener('abort', aborted, { once: true });
      }),
    validate: isUsable,
    destroy: (socket) => {
      socket.destroy();
    },
    watch: (socket, lost) => {
      socket.on('end', lost).on('close', lost);
      if (socket.destroyed) lost();
    },
    clean: (socket) => isUsable(socket) && socket.readableLength === 0 && socket.writableLength === 0,
    park: (socket, spoiled) => {
      const look = (): void => {
        if (socket.readableLength > 0) spoiled();
        // Nothing to read, but something happened: at the end of the stream this makes 'end' come.
        else socket.read(0);
      };
      looks.set(socket, look);
      socket.on('readable', look);
      socket.read(0);
    },
    unpark: (socket) => {
      const look = looks.get(socket);
      if (look !== undefined) socket.off('readable', look);
    },
  };
}

function isUsable({ destroyed, readable, writable }: Socket): boolean {
  return !destroyed && readable && writable;
}
