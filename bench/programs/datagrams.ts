/**
 * Visitors of a service that echoes datagrams: `node datagrams.js PORT VISITORS UNDER_WAY BYTES MS`. Each visitor has so
 * many under way; prints one line of JSON.
 */
import type { Socket } from 'node:dgram';
import { udpSocket } from './udp-socket.ts';

const [port, visitors, underWay, bytes, ms] = process.argv.slice(2).map(Number) as [
  number,
  number,
  number,
  number,
  number,
];
const datagram = Buffer.alloc(bytes, 'poold');

/** How long the last answers may take, ms. */
const LAST_MS = 300;

/** A visitor that hears nothing for so long begins again, ms. */
const PATIENCE_MS = 500;

let sent = 0;
let answered = 0;
let over = false;

function fill(socket: Socket): void {
  for (let n = 0; n < underWay; n += 1) socket.send(datagram);
  sent += underWay;
}

const heardAt = new Map<Socket, number>();
const begin = performance.now();
for (let n = 0; n < visitors; n += 1) {
  const socket = udpSocket();
  socket.bind(0);
  socket.connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.on('message', () => {
    answered += 1;
    heardAt.set(socket, performance.now());
    if (over) return;
    sent += 1;
    socket.send(datagram);
  });
  heardAt.set(socket, begin);
  fill(socket);
}
const again = setInterval(() => {
  const now = performance.now();
  for (const [socket, at] of heardAt) {
    if (now - at < PATIENCE_MS) continue;
    heardAt.set(socket, now);
    fill(socket);
  }
}, PATIENCE_MS / 5);
setTimeout(() => {
  over = true;
  clearInterval(again);
  const seconds = (performance.now() - begin) / 1000;
  const perSecond = answered / seconds;
  setTimeout(() => {
    console.log(JSON.stringify({ answered, perSecond, lost: sent - answered }));
    for (const socket of heardAt.keys()) socket.close();
  }, LAST_MS);
}, ms);
