/** Somebody on the path: a TLS connection of its own to each side, with every frame in its hands. */
import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { FrameDecoder } from '../../src/shared/wire/decode.ts';
import { testCertificates } from './certificates.ts';
import { bytesOf, type Frame, FrameCollector } from './frame-collector.ts';

const TAG_BYTES = 8;

/** Connects as a client does, with or without TLS, and verifies nothing. */
export async function dial(port: number, secure: boolean): Promise<Socket> {
  const to = { port, host: '127.0.0.1' };
  const socket = secure ? connectTls({ ...to, rejectUnauthorized: false }) : connectTcp(to);
  socket.on('error', () => {});
  await once(socket, secure ? 'secureConnect' : 'connect');
  return socket;
}

/** Listens as a server does, with a certificate of its own. */
export async function listen(
  secure: boolean,
  serve: (socket: Socket) => void,
): Promise<{ readonly port: number } & Disposable> {
  const sockets = new Set<Socket>();
  const take = (socket: Socket): void => {
    sockets.add(socket.on('error', () => {}));
    serve(socket);
  };
  const server = secure
    ? createTlsServer((await testCertificates()).elsewhere, take).on('tlsClientError', () => {})
    : createTcpServer(take);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.dispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Reads a connection frame by frame, behind a tag where one is due. */
export function onFrame(socket: Socket, tagged: boolean, hear: (frame: Frame, tag: Buffer) => void): void {
  const sink = new FrameCollector();
  const decoder = new FrameDecoder(sink);
  let tag = Buffer.alloc(0);
  socket.on('data', (data: Buffer) => {
    const missing = tagged ? TAG_BYTES - tag.length : 0;
    tag = Buffer.concat([tag, data.subarray(0, missing)]);
    decoder.push(data.subarray(missing));
    for (const frame of sink.frames.splice(0)) hear(frame, tag);
  });
}

/** What the man in the middle makes of a frame: the same, another, or nothing. */
export type Alter = (frame: Frame, way: 'up' | 'down') => Frame | undefined;

export interface MiddleMan extends Disposable {
  readonly port: number;
  /** Frames that have come, in order: from the client, from the server. */
  readonly up: readonly Frame[];
  readonly down: readonly Frame[];
}

/** Stands between clients and the server at `server`; each half has TLS or not. */
export async function startMiddleMan(
  server: number,
  halves: { readonly near: boolean; readonly far: boolean },
  alter: Alter = (frame) => frame,
): Promise<MiddleMan> {
  const seen: Record<'up' | 'down', Frame[]> = { up: [], down: [] };
  const listener = await listen(halves.near, (near) => {
    void dial(server, halves.far).then((far) => {
      const pass = (way: 'up' | 'down', frame: Frame, to: Socket, tag?: Buffer): void => {
        seen[way].push(frame);
        const altered = alter(frame, way);
        if (altered !== undefined)
          to.write(tag === undefined ? bytesOf(altered) : Buffer.concat([tag, bytesOf(altered)]));
      };
      let tagged = false;
      onFrame(far, true, (frame, tag) => {
        pass('down', frame, near, tagged ? undefined : tag);
        tagged = true;
      });
      onFrame(near, false, (frame) => pass('up', frame, far));
      far.on('close', () => near.end());
      near.on('close', () => far.destroy());
    });
  });
  return { port: listener.port, ...seen, [Symbol.dispose]: () => listener[Symbol.dispose]() };
}
