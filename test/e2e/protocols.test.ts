import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import { WebSocket, WebSocketServer } from 'ws';
import { startPair } from '../helpers/pair.ts';

test('a WebSocket passes: upgrade, messages both ways, pings, and the closing handshake', async (t) => {
  const http = createServer();
  const sockets = new WebSocketServer({ server: http });
  sockets.on('connection', (socket) => socket.on('message', (data, binary) => socket.send(data, { binary })));
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  await using pair = await startPair({ tls: 1, target: (http.address() as AddressInfo).port });
  const client = new WebSocket(`ws://127.0.0.1:${pair.server.address?.port}/`);
  await once(client, 'open');
  client.send('text');
  t.is(String((await once(client, 'message'))[0]), 'text');
  const large = Buffer.alloc(1_000_000, 7);
  client.send(large);
  t.deepEqual((await once(client, 'message'))[0], large);
  client.ping();
  await once(client, 'pong');
  client.close(1000, 'done');
  const [code] = (await once(client, 'close')) as [number];
  t.is(code, 1000);
  sockets.close();
  http.close();
});

test('HTTP keep-alive, pipelining and a large body pass', async (t) => {
  const http = createServer((request, response) => {
    let bytes = 0;
    request.on('data', (data: Buffer) => (bytes += data.length));
    request.on('end', () => response.end(`${request.url} ${bytes}`));
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  await using pair = await startPair({ tls: 1, target: (http.address() as AddressInfo).port });
  const base = `http://127.0.0.1:${pair.server.address?.port}`;
  for (const path of ['/one', '/two']) t.is(await (await fetch(base + path)).text(), `${path} 0`);
  const body = new Uint8Array(5_000_000);
  t.is(await (await fetch(`${base}/upload`, { method: 'POST', body })).text(), '/upload 5000000');
  http.closeAllConnections();
  http.close();
});
