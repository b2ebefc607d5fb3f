import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import test from 'ava';
import { DescriptorsError } from '../../../src/shared/errors.ts';
import { DescriptorGuard } from '../../../src/shared/net/descriptor-guard.ts';
import { descriptorLimit } from '../../../src/shared/net/descriptor-limit.ts';
import { manualClock } from '../../helpers/clock.ts';
import { startChild } from '../../helpers/child.ts';

const onLinux = process.platform === 'linux' ? test : test.skip;

/** A socket as a listener accepts it. */
async function accepted(t: { teardown(end: () => void): void }): Promise<Socket> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const peer = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [socket] = (await once(server, 'connection')) as [Socket];
  t.teardown(() => {
    peer.destroy();
    socket.destroy();
    server.close();
  });
  return socket;
}

function guardOf(limit: number) {
  const time = manualClock();
  const told: DescriptorsError[] = [];
  const onShort = (error: DescriptorsError): void => void told.push(error);
  const guard = new DescriptorGuard({ who: 'visitors', spare: () => 8, clock: time.clock, onShort, limit });
  return { guard, time, told };
}

test('of 64 descriptors, of which 8 are kept, the first that is refused is number 56', (t) => {
  const { guard } = guardOf(64);
  const numbered = (fd: number): Socket => ({ _handle: { fd } }) as unknown as Socket;
  t.deepEqual(
    [0, 55, 56, 63].map((fd) => guard.refuses(numbered(fd))),
    [false, false, true, true],
  );
  t.deepEqual(
    [55, 56, 63].map((fd) => guard.excess(numbered(fd))),
    [0, 1, 8],
  );
});

onLinux('an accepted socket shows its number', async (t) => {
  const socket = await accepted(t);
  t.true(guardOf(9).guard.refuses(socket));
  t.false(guardOf(1_000_000).guard.refuses(socket));
});

onLinux('a shortage is told once, and again when nobody was refused for ten seconds', async (t) => {
  const socket = await accepted(t);
  const { guard, time, told } = guardOf(4);
  for (let n = 0; n < 100; n += 1) t.true(guard.refuses(socket));
  t.is(told.length, 1);
  t.true(told[0] instanceof DescriptorsError);
  t.is(told[0]?.limit, 4);
  await time.advance(9999);
  guard.refuses(socket);
  await time.advance(9999);
  guard.refuses(socket);
  t.is(told.length, 1);
  await time.advance(10_000);
  guard.refuses(socket);
  t.is(told.length, 2);
  t.is(time.timers, 0);
});

test('a socket without a number is let through', (t) => {
  const { guard, told } = guardOf(4);
  t.false(guard.refuses({} as Socket));
  t.false(guard.refuses({ _handle: null } as unknown as Socket));
  t.is(told.length, 0);
});

onLinux('the limit is the one that the process was started with', async (t) => {
  t.true((descriptorLimit() ?? 0) > 0);
  const module = new URL('../../../src/shared/net/descriptor-limit.js', import.meta.url).href;
  const code = `import('${module}').then(({ descriptorLimit }) => console.log(descriptorLimit()))`;
  await using child = startChild('sh', ['-c', 'ulimit -n 96; exec "$0" -e "$1"', process.execPath, code]);
  t.is(await child.ended(), 0, child.output);
  t.is(child.output, '96\n');
});
