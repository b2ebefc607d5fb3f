/**
 * Large transfers: `node bulk.js PORT down|up STREAMS BYTES`. Each stream carries so many bytes and counts them; prints
 * one line of JSON.
 */
import { connect } from 'node:net';

const [port, direction, streams, bytes] = process.argv.slice(2) as [string, 'down' | 'up', string, string];
const total = Number(bytes);
const BLOCK = Buffer.alloc(256 * 1024, 'Upload');

/** The longest that one transfer may take, ms. */
const LIMIT_MS = 120_000;

/** One stream; resolves with the bytes that did not arrive. */
function transfer(): Promise<number> {
  return new Promise((resolve) => {
    const socket = connect({ port: Number(port), host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    socket.setTimeout(LIMIT_MS, () => socket.destroy());
    let arrived = 0;
    let answer = '';
    socket.on('data', (chunk: Buffer) => {
      if (direction === 'down') arrived += chunk.length;
      else answer += chunk.toString();
    });
    if (direction === 'down') {
      socket.write(`D${total}`);
    } else {
      let left = total;
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
    socket.on('end', () => socket.end());
    socket.on('error', () => {});
    socket.on('close', () => resolve(total - (direction === 'down' ? arrived : Number(answer))));
  });
}

const begin = performance.now();
const missing = await Promise.all(Array.from({ length: Number(streams) }, transfer));
const seconds = (performance.now() - begin) / 1000;
const lost = missing.filter((left) => left !== 0).length;
console.log(JSON.stringify({ lost, seconds, mbPerSecond: (total * Number(streams)) / 1e6 / seconds }));
