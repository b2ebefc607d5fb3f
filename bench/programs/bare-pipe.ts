/** The baseline: one hop of a plain Node pipe, without TLS, pool or protocol. `node bare-pipe.js LISTEN_PORT TO_PORT` */
import { connect, createServer } from 'node:net';

const [listen, to] = process.argv.slice(2).map(Number) as [number, number];
createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
  const far = connect({ port: to, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  near.on('error', () => far.destroy());
  far.on('error', () => near.destroy());
  near.pipe(far).pipe(near);
}).listen(listen, '127.0.0.1', 4096, () => console.log('ready'));
