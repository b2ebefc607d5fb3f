import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import test from 'ava';
import { until } from '../helpers/events.ts';
import { ask } from '../helpers/pair.ts';
import { startTargets } from '../helpers/target-pair.ts';
import { echo, freePort, startTarget } from '../helpers/targets.ts';

test('a visit takes a connection that is ready, and hears what was said on it before', async (t) => {
  const sockets: Socket[] = [];
  await using target = await startTarget((socket) => {
    sockets.push(socket);
    socket.write(`welcome ${sockets.length} `);
    socket.pipe(socket);
  });
  await using pair = await startTargets([target.port], { warm: 2 });
  const ready = (count: number) => until(() => pair.client.targetStats()[0]?.warm === count, `${count} are ready`);
  for (let visit = 0; visit < 4; visit += 1) {
    await ready(2);
    const answer = await ask(pair.visit(), 'hello');
    t.regex(answer, /^welcome \d hello$/);
  }
  await ready(2);
  t.is(target.accepted, 6);
});

test('connections that were ready are of no use when their target restarts: the next visitors do without', async (t) => {
  const port = await freePort();
  const start = async () => {
    const sockets = new Set<Socket>();
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket.on('error', () => {}));
      socket.pipe(socket);
    }).listen(port, '127.0.0.1');
    await once(server, 'listening');
    return {
      stop: () => {
        server.close();
        for (const socket of sockets) socket.destroy();
        return once(server, 'close');
      },
    };
  };
  const first = await start();
  await using other = await startTarget(echo);
  await using pair = await startTargets([port, other.port], { strategy: 'failover', warm: 3 });
  await until(() => pair.client.targetStats().every(({ warm }) => warm === 3), 'all are ready');
  await first.stop();
  await until(() => pair.client.targetStats()[0]?.warm === 0, 'the loss is noticed');
  t.is(await ask(pair.visit(), 'still'), 'still');
  const again = await start();
  await until(() => pair.client.targetStats()[0]?.warm === 3, 'they are ready again');
  t.true(pair.client.targetStats()[0]?.up);
  t.is(await ask(pair.visit(), 'served'), 'served');
  await again.stop();
});

test('a tunnel that is ending keeps nothing ready any more, though a visit is on', async (t) => {
  await using target = await startTarget(echo);
  await using pair = await startTargets([target.port], { warm: 2 });
  await until(() => pair.client.targetStats()[0]?.warm === 2, 'two are ready');
  const visitor = pair.visit();
  visitor.write('one, ');
  await once(visitor, 'data');
  await until(() => pair.client.targetStats()[0]?.warm === 2, 'two are ready again');
  const closed = pair.client.close();
  t.is(pair.client.targetStats()[0]?.warm, 0);
  t.is(await ask(visitor, 'two'), 'two');
  await closed;
  t.is(target.accepted, 3);
});
