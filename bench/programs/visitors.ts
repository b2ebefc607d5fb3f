/**
 * The visitors: `node visitors.js PORT VISITS CONCURRENCY BYTES`. Each opens a connection, sends bytes of its own, expects
 * exactly those back, and ends. Bounded in count and time; prints one line of JSON.
 */
import { connect } from 'node:net';

const [port, visits, concurrency, bytes] = process.argv.slice(2).map(Number) as [number, number, number, number];

/** The longest that one visit may take, ms. */
const LIMIT_MS = 20_000;

const durations: number[] = [];
let started = 0;
let lost = 0;

/** One visit; resolves when its socket has closed. */
function visit(number: number): Promise<void> {
  return new Promise((resolve) => {
    const begin = performance.now();
    const sent = Buffer.alloc(bytes, `visit ${number} `);
    let received = 0;
    let right = true;
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.setTimeout(LIMIT_MS, () => socket.destroy());
    socket.write(sent);
    socket.on('data', (data: Buffer) => {
      right &&= data.equals(sent.subarray(received, received + data.length));
      received += data.length;
      if (received === bytes) {
        durations.push(performance.now() - begin);
        socket.end();
      }
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      if (!right || received !== bytes) lost += 1;
      resolve();
    });
  });
}

async function visitor(): Promise<void> {
  while (started < visits) await visit(started++);
}

const begin = performance.now();
await Promise.all(Array.from({ length: concurrency }, visitor));
const seconds = (performance.now() - begin) / 1000;
durations.sort((a, b) => a - b);
const at = (part: number): number => durations[Math.floor((durations.length - 1) * part)] ?? Number.NaN;
console.log(JSON.stringify({ lost, perSecond: visits / seconds, p50Ms: at(0.5), p99Ms: at(0.99) }));
