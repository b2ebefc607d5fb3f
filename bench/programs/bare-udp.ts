/** The baseline: one hop of a plain relay, with a socket for each visitor. `node bare-udp.js LISTEN_PORT TO_PORT` */
import type { Socket } from 'node:dgram';
import { udpSocket } from './udp-socket.ts';

const [listen, to] = process.argv.slice(2).map(Number) as [number, number];
const near = udpSocket();
const flows = new Map<string, Socket>();

near.on('message', (datagram, { port, address }) => {
  const name = `${address}:${port}`;
  let far = flows.get(name);
  if (far === undefined) {
    far = udpSocket();
    far.bind(0);
    far.connect(to, '127.0.0.1');
    far.on('message', (answer) => near.send(answer, port, address));
    flows.set(name, far);
  }
  far.send(datagram);
});
near.bind(listen, '127.0.0.1', () => console.log('ready'));
