import test from 'ava';
import { balancerOptions } from '../../src/balancer/balancer-options.ts';
import { type CallOwner, ServerCall } from '../../src/balancer/server-call.ts';
import { ServerConnections } from '../../src/balancer/server-connections.ts';
import { startHttp } from '../helpers/balancer.ts';
import { until } from '../helpers/events.ts';
import { startTarget } from '../helpers/targets.ts';

/** One GET at a server, and what is told of it; `takes` says whether a piece of the answer is all that is wanted for now. */
function ask(port: number, takes: () => boolean) {
  const { place, rules } = balancerOptions({ listen: '127.0.0.1:0', servers: [`${port}`] });
  const connections = new ServerConnections({ host: '127.0.0.1', port }, rules.backend, place.clock);
  const told: string[] = [];
  const owner: CallOwner = {
    isOwing: false,
    onConnected: () => {},
    onAnswer: () => void told.push('answer'),
    onData: () => {
      told.push('data');
      return takes();
    },
    onAnswered: () => void told.push('answered'),
    onUpgraded: () => void told.push('upgraded'),
    onFailed: ({ error }) => void told.push(error.message),
    onGone: () => void told.push('gone'),
  };
  const sending = { method: 'GET', path: '/', headers: ['Host', 'a'], body: undefined, upgrade: undefined };
  const call = new ServerCall(connections, { ...sending, isAlone: false, maxHeaderBytes: 16_384 }, owner);
  call.start();
  return { call, told, [Symbol.dispose]: () => connections.destroy() };
}

test('an answer that has come whole at once waits for who reads it, piece by piece', async (t) => {
  const pieces = '1\r\na\r\n1\r\nb\r\n0\r\n\r\n';
  await using target = await startTarget((socket) => {
    socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${pieces}`));
  });
  using asked = ask(target.port, () => false);
  await until(() => asked.told.length === 2, 'the first piece is there');
  t.deepEqual(asked.told, ['answer', 'data']);
  asked.call.resume();
  await until(() => asked.told.includes('gone'), 'its connection is closed');
  t.deepEqual(asked.told.slice(2), ['data', 'answered', 'gone']);
});

test('a call that is given up tells that it is gone, and nothing else', async (t) => {
  await using target = await startHttp(() => {});
  using asked = ask(target.port, () => true);
  await until(() => target.requests === 1, 'it is there');
  asked.call.abandon();
  asked.call.abandon();
  await until(() => target.sockets.size === 0, 'its connection is closed');
  t.deepEqual(asked.told, ['gone']);
});
