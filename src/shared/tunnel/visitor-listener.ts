import { createServer, type Server, type Socket } from 'node:net';
import { DialError, reasonOf } from '../errors.ts';
import { formatAddress, type HostAddress } from '../net/address.ts';
import { listenOptions, SOCKET_OPTIONS } from '../net/socket-options.ts';

/** Lets visitors in. Sockets are half-open, without Nagle, and read ahead a little, so that a visitor who leaves shows. */
export class VisitorListener {
  readonly #listen: HostAddress;
  readonly #reusePort: boolean;
  readonly #server: Server;

  constructor(
    listen: HostAddress,
    reusePort: boolean,
    onVisitor: (socket: Socket) => void,
    onFault: (error: DialError) => void,
  ) {
    this.#listen = listen;
    this.#reusePort = reusePort;
    this.#server = createServer(SOCKET_OPTIONS, onVisitor);
    this.#server.on('error', (cause) => {
      if (this.#server.listening)
        onFault(new DialError('connect', `cannot accept a visitor: ${cause.message}`, { cause }));
    });
  }

  /** Where visitors connect; undefined while not listening. */
  get address(): HostAddress | undefined {
    const address = this.#server.address();
    if (address === null || typeof address !== 'object') return undefined;
    return { host: address.address, port: address.port };
  }

  /** Resolves also when it is closed meanwhile. @throws DialError when the address cannot be listened on */
  async start(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const failed = (cause: Error): void => {
        const what = `cannot listen on ${formatAddress(this.#listen)}: ${reasonOf(cause)}`;
        reject(new DialError('connect', what, { cause }));
      };
      // Before a name has been looked up there is nothing to listen, and Node does not begin to.
      this.#server.once('error', failed).once('close', resolve);
      this.#server.listen(listenOptions(this.#listen, this.#reusePort), () => {
        this.#server.off('error', failed).off('close', resolve);
        resolve();
      });
    });
  }

  /** Lets nobody in any more; those who are in stay. */
  close(): void {
    this.#server.close();
  }
}
