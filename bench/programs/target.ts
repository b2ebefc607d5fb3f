/**
 * The service behind the tunnels: `node target.js PORT`. A visitor that begins with `D` and a number is sent so many
 * bytes, one that begins with `U` is told how many bytes it has sent when it ends, any other gets its own bytes back.
 */
import { createServer, type Socket } from 'node:net';

const BLOCK = Buffer.alloc(256 * 1024, 'poold');
const DOWNLOAD = 'D'.charCodeAt(0);
const UPLOAD = 'U'.charCodeAt(0);

function send(socket: Socket, bytes: number): void {
  let left = bytes;
  const more = (): void => {
    while (left > 0) {
      const block = BLOCK.subarray(0, Math.min(left, BLOCK.length));
      left -= block.length;
      if (!socket.write(block)) return;
    }
    socket.end();
  };
  socket.on('drain', more);
  more();
}

function count(socket: Socket, first: number): void {
  let bytes = first;
  socket.on('data', (chunk: Buffer) => (bytes += chunk.length));
  socket.on('end', () => socket.end(String(bytes)));
}

createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  socket.once('data', (first: Buffer) => {
    if (first[0] === DOWNLOAD) return send(socket, Number(first.subarray(1)));
    if (first[0] === UPLOAD) return count(socket, first.length);
    socket.write(first);
    socket.pipe(socket);
  });
}).listen(Number(process.argv[2]), '127.0.0.1', 4096, () => console.log('ready'));
