/** A server of a small line protocol, and the codecs for it: one line asks, one answers. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Codec } from '../../src/shared/request/codec.ts';
import type { RequestServer } from '../../src/shared/request/request-options.ts';
import { socketFactory } from '../../src/shared/request/socket-factory.ts';

/** One line that has come. */
export interface Asked {
  readonly line: string;
  readonly socket: Socket;
  /** Sends a line. */
  readonly reply: (text: string) => void;
}

export interface LineServer extends AsyncDisposable {
  readonly port: number;
  /** All lines so far, in the order in which they came. */
  readonly lines: readonly string[];
  /** How many reads brought them. */
  readonly reads: number;
  /** Connections so far, and those that are open. */
  readonly accepted: number;
  readonly sockets: ReadonlySet<Socket>;
  /** As the server of a client. */
  readonly server: RequestServer;
  /** Destroys the connections; it goes on listening. */
  dropAll(): void;
}

/** Answers as `answer` has it: at once, later, or never. Default: with what was asked. */
export async function startLineServer(
  answer: (asked: Asked) => void = ({ line, reply }) => reply(line),
  { port = 0, name = 'server' }: { port?: number; name?: string } = {},
): Promise<LineServer> {
  const sockets = new Set<Socket>();
  const lines: string[] = [];
  const counts = { reads: 0, accepted: 0 };
  const listener = createServer({ noDelay: true }, (socket) => {
    counts.accepted += 1;
    sockets.add(socket);
    let rest = '';
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    socket.setEncoding('utf8').on('data', (text: string) => {
      counts.reads += 1;
      const parts = (rest + text).split('\n');
      rest = parts.pop() ?? '';
      for (const line of parts) {
        lines.push(line);
        answer({ line, socket, reply: (back) => void socket.write(`${back}\n`) });
      }
    });
  });
  listener.listen(port, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address() as AddressInfo;
  const dropAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: address.port,
    lines,
    sockets,
    get reads() {
      return counts.reads;
    },
    get accepted() {
      return counts.accepted;
    },
    server: { name, factory: socketFactory({ host: '127.0.0.1', port: address.port }) },
    dropAll,
    async [Symbol.asyncDispose]() {
      const closed = once(listener, 'close');
      listener.close();
      dropAll();
      await closed;
    },
  };
}

/** A decoder of lines. */
function lines(): { readonly push: (bytes: Buffer) => string[] } {
  let rest = '';
  return {
    push: (bytes) => {
      const parts = (rest + bytes.toString()).split('\n');
      rest = parts.pop() ?? '';
      if (parts.includes('garbage')) throw new Error('garbage came');
      return parts;
    },
  };
}

/** Replies in order. `-…` is a transient failure, `!…` a permanent one, and `garbage` cannot be read. */
export const lineCodec: Codec<string, string> = {
  encode: (request) => {
    if (request.includes('\n')) throw new Error('a line has one line');
    return `${request}\n`;
  },
  decoder: lines,
  failure: (reply) => {
    if (reply.startsWith('-')) return { kind: 'transient', error: new Error(reply.slice(1)) };
    return reply.startsWith('!') ? { kind: 'permanent', error: new Error(reply.slice(1)) } : undefined;
  },
};

/** Each line begins with the number of its request: `7:text`. */
export const numberedCodec: Codec<string, { id: number; text: string }> = {
  encode: (request, id) => Buffer.from(`${id}:${request}\n`),
  decoder: () => {
    const { push } = lines();
    return {
      push: (bytes) =>
        push(bytes).map((line) => {
          const [id = '', text = ''] = line.split(':');
          return { id: Number(id), text };
        }),
    };
  },
  replyId: ({ id }) => id,
};
