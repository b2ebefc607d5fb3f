/** The service behind the tunnels: an echo that ends when its visitor does. `node target.js PORT` */
import { createServer } from 'node:net';

createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  socket.pipe(socket);
}).listen(Number(process.argv[2]), '127.0.0.1', () => console.log('ready'));
