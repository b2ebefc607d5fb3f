/**
 * The baseline of the warm-up and of idle memory: `node bare-tls.js server PORT` and `node bare-tls.js client PORT COUNT AT_A_TIME
 * [tickets]` make so many TLS connections with one shared context, and keep them.
 */
import { connect as connectTcp } from 'node:net';
import { connect, createSecureContext, createServer, type TLSSocket } from 'node:tls';
import { serverMaterial } from '../../src/shared/tls/material.ts';

const [role, ...numbers] = process.argv.slice(2);
const [port = 0, count = 0, atATime = 0] = numbers.map(Number);

async function serve(): Promise<void> {
  const { cert, key } = (await serverMaterial({ mode: 1 })) ?? {};
  const kept = new Set<TLSSocket>();
  const server = createServer({ cert, key, minVersion: 'TLSv1.3', noDelay: true }, (socket) => {
    kept.add(socket.on('error', () => {}));
    socket.write('12345678');
  });
  server.listen(port, '127.0.0.1', 4096, () => console.log('ready'));
}

function dial(): void {
  const secureContext = createSecureContext({ minVersion: 'TLSv1.3' });
  const tickets = numbers.includes('tickets');
  const kept: TLSSocket[] = [];
  let begun = 0;
  let session: Buffer | undefined;
  const next = (): void => {
    if (begun === count) return;
    begun += 1;
    const tcp = connectTcp({ port, host: '127.0.0.1', noDelay: true });
    const resumed = tickets && session !== undefined ? { session } : {};
    const socket = connect({ socket: tcp, secureContext, rejectUnauthorized: false, ...resumed });
    socket.on('session', (latest: Buffer) => (session = latest)).on('error', () => process.exit(1));
    // The first byte from the server is where poold's tag would be.
    socket.once('data', () => {
      kept.push(socket);
      if (kept.length === count) console.log('warm');
      else next();
    });
  };
  for (let index = 0; index < atATime; index += 1) next();
}

if (role === 'server') await serve();
else dial();
