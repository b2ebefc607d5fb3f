/** The service behind the tunnels of datagrams: sends each back. `node udp-echo.js PORT` */
import { udpSocket } from './udp-socket.ts';

const socket = udpSocket();
socket.on('message', (datagram, { port, address }) => socket.send(datagram, port, address));
socket.bind(Number(process.argv[2]), '127.0.0.1', () => console.log('ready'));
