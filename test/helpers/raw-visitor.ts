/** A visitor that says exactly what a test wants, in pieces if need be, and what becomes of it. */
import { connect, type Socket } from 'node:net';

export interface RawVisitor extends Disposable {
  readonly socket: Socket;
  /** All that came, and how it ended: `end`, or the code of the error. */
  readonly fate: Promise<{ readonly text: string; readonly end: string }>;
  /** Resolves once this much has come. */
  answered(text: string): Promise<void>;
}

/** Between two pieces, ms: so long that they come as two. */
const PAUSE_MS = 1;

/** Connects, and says the pieces one after the other. */
export function sayTo(port: number, pieces: readonly (string | Buffer)[], from = '127.0.0.1'): RawVisitor {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from, allowHalfOpen: true, noDelay: true });
  let text = '';
  const looks = new Set<() => void>();
  socket.on('data', (data: Buffer) => {
    text += data.toString('latin1');
    for (const look of looks) look();
  });
  const fate = new Promise<{ text: string; end: string }>((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve({ text, end: error.code ?? '' }));
    socket.on('end', () => resolve({ text, end: 'end' }));
  });
  void say(socket, pieces);
  return {
    socket,
    fate,
    answered: (wanted) =>
      new Promise((resolve, reject) => {
        const look = (): void => void (text.includes(wanted) && resolve());
        looks.add(look);
        look();
        fate.then(({ end }) => reject(new Error(`${end} before ${wanted}, after ${text}`)), reject);
      }),
    [Symbol.dispose]: () => void socket.destroy(),
  };
}

async function say(socket: Socket, pieces: readonly (string | Buffer)[]): Promise<void> {
  for (const [index, piece] of pieces.entries()) {
    if (index > 0) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    if (!socket.destroyed) socket.write(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece);
  }
}
