/** Both ends of one real TLS connection over loopback, made from poold's own settings. */

import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp } from 'node:net';
import { type ConnectionOptions, connect, createServer, type TLSSocket, type TlsOptions } from 'node:tls';

export interface TlsPair extends AsyncDisposable {
  readonly server: TLSSocket;
  readonly client: TLSSocket;
}

/** Connects both ends; rejects with what the first end to refuse the other says. */
export async function tlsPair(serverSettings: TlsOptions, clientSettings: ConnectionOptions): Promise<TlsPair> {
  const listener = createServer(serverSettings);
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const client = connect({ ...clientSettings, socket: connectTcp(port, '127.0.0.1') });
  const accepted: TLSSocket[] = [];
  const close = async () => {
    client.destroy();
    for (const socket of accepted) {
      socket.destroy();
    }
    listener.close();
    await once(listener, 'close');
  };
  try {
    const server = await new Promise<TLSSocket>((resolve, reject) => {
      // Ready when both are: in TLS 1.3 either end may finish first.
      Promise.all([once(listener, 'secureConnection'), once(client, 'secureConnect')]).then(
        ([[socket]]) => resolve(socket as TLSSocket),
        reject,
      );
      listener.on('secureConnection', (socket) => {
        accepted.push(socket);
        socket.on('error', () => {});
      });
      listener.on('tlsClientError', reject);
      client.on('error', reject);
    });
    return { server, client, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}
