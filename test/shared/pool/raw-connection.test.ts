import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import test from 'ava';
import { RawConnection } from '../../../src/shared/pool/raw-connection.ts';
import { until } from '../../helpers/events.ts';

/** A raw connection over real TCP, and the socket at its other end. */
async function rawPair() {
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const peer = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true });
  peer.on('error', () => {});
  const [socket] = (await once(server, 'connection')) as [Socket];
  server.close();
  const ends: string[] = [];
  const connection = new RawConnection('id', socket, 'peer');
  connection.onClose((reason) => ends.push(reason));
  return { connection, peer, ends };
}

test('case 12: bytes that come while it is idle are told, and kept in order for the one who takes it', async (t) => {
  const { connection, peer } = await rawPair();
  let told = 0;
  connection.park(() => (told += 1));
  peer.write('first ');
  await until(() => told === 1, 'it is told');
  t.true(connection.unread);
  peer.write('second');
  connection.unpark();
  let heard = '';
  connection.socket.on('data', (data: Buffer) => (heard += String(data)));
  await until(() => heard === 'first second', 'everything is heard');
  t.is(told, 1);
  t.false(connection.unread);
  connection.close('destroyed');
});

test('the end of an idle connection closes it, once', async (t) => {
  for (const finish of ['end', 'resetAndDestroy', 'destroy'] as const) {
    const { connection, peer, ends } = await rawPair();
    connection.park(() => {});
    peer[finish]();
    await until(() => connection.closed, `it is closed after ${finish}`);
    connection.close('cleaned');
    t.is(ends.length, 1);
    t.regex(ends[0] ?? '', /peer-closed|error/);
  }
});

test('it is closed as soon as its holder has destroyed the socket, and says so once', async (t) => {
  const { connection, ends } = await rawPair();
  connection.socket.destroy();
  t.true(connection.closed);
  t.deepEqual(ends, []);
  await until(() => ends.length > 0, 'it has said so');
  connection.close('destroyed');
  t.deepEqual(ends, ['peer-closed']);
});

test('one direction’s end, or bytes left to send, make it unfit for the next holder', async (t) => {
  const { connection, peer } = await rawPair();
  connection.park(() => {});
  t.is(connection.refusal(), undefined);
  connection.unpark();
  connection.socket.write(Buffer.alloc(10_000_000));
  t.is(connection.refusal(), 'unfinished');
  peer.resume();
  await until(() => connection.refusal() === undefined, 'everything is sent');
  connection.socket.end();
  t.is(connection.refusal(), 'unfinished');
  connection.close('destroyed');
});

test('it can be parked, used and parked again', async (t) => {
  const { connection, peer } = await rawPair();
  connection.park(() => {});
  connection.unpark();
  connection.socket.write('ping');
  t.is(String((await once(peer, 'data'))[0]), 'ping');
  peer.write('pong');
  t.is(String((await once(connection.socket, 'data'))[0]), 'pong');
  connection.socket.removeAllListeners('data').pause();
  let told = false;
  connection.park(() => (told = true));
  peer.write('again');
  await until(() => told, 'it is told');
  connection.close('destroyed');
  t.pass();
});
