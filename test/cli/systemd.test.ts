import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Service } from '../../src/cli/systemd.ts';
import type { Child } from '../helpers/child.ts';
import { startCli, textFile } from '../helpers/cli.ts';
import { clientArgs, ports, serverArgs } from '../helpers/cli-pair.ts';
import { manualClock } from '../helpers/clock.ts';
import { until } from '../helpers/events.ts';

function service(env: Record<string, string>, fails = false) {
  const time = manualClock();
  const said: string[] = [];
  const troubles: string[] = [];
  const made = new Service({
    env,
    pid: 42,
    clock: time.clock,
    say: (args, done) => {
      said.push(args.join(' '));
      done(fails ? new Error('spawn systemd-notify ENOENT') : null);
    },
    onTrouble: ({ message }) => troubles.push(message),
  });
  return { made, time, said, troubles };
}

test('without systemd nothing is said', async (t) => {
  const { made, time, said } = service({ WATCHDOG_USEC: '1000000' });
  made.ready('listening');
  await time.advance(5000);
  made.stopping();
  t.deepEqual(said, []);
});

test('readiness and the end are said', (t) => {
  const { made, said } = service({ NOTIFY_SOCKET: '/run/x' });
  made.ready('listening');
  made.stopping();
  t.deepEqual(said, ['--pid=42 --ready --status=listening', '--pid=42 STOPPING=1']);
});

test('the watchdog hears twice in its time, from readiness to the end', async (t) => {
  const { made, time, said } = service({ NOTIFY_SOCKET: '/run/x', WATCHDOG_USEC: '2000000', WATCHDOG_PID: '42' });
  await time.advance(3000);
  t.deepEqual(said, []);
  made.ready('listening');
  await time.advance(3000);
  t.deepEqual(
    said.slice(1),
    Array.from({ length: 3 }, () => '--pid=42 WATCHDOG=1'),
  );
  made.close();
  await time.advance(3000);
  t.is(said.length, 4);
});

test('another process’s watchdog is left alone', async (t) => {
  const { made, time, said } = service({ NOTIFY_SOCKET: '/run/x', WATCHDOG_USEC: '2000000', WATCHDOG_PID: '7' });
  made.ready('listening');
  await time.advance(5000);
  t.is(said.length, 1);
});

test('that it cannot be said is said once', (t) => {
  const { made, troubles } = service({ NOTIFY_SOCKET: '/run/x' }, true);
  made.ready('listening');
  made.stopping();
  t.deepEqual(troubles, ['spawn systemd-notify ENOENT']);
});

const RECEIVER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('bound', flush=True)
while True:
    data, fds, _, _ = socket.recv_fds(s, 4096, 4)
    print(data.decode(), flush=True)
`;

function has(command: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${command}`]);
    return true;
  } catch {
    return false;
  }
}

// A datagram socket of the unix kind is what Node has not: Python holds the other end.
const real = has('systemd-notify') && has('python3');
/** What a service manager hears; its socket is given in the environment. */
function startReceiver(t: ExecutionContext): { readonly path: string; readonly heard: () => string } {
  const folder = mkdtempSync(join(tmpdir(), 'poold-test-'));
  const path = join(folder, 'notify');
  const receiver = spawn('python3', ['-c', RECEIVER, path]);
  t.teardown(() => {
    receiver.kill();
    rmSync(folder, { recursive: true });
  });
  let heard = '';
  receiver.stdout.on('data', (chunk) => (heard += String(chunk)));
  return { path, heard: () => heard };
}

for (const workers of ['1', '2']) {
  (real ? test : test.skip)(`both commands tell the service manager how they are (${workers} workers)`, async (t) => {
    const { path, heard } = startReceiver(t);
    await until(() => heard().includes('bound'), 'the receiver is there');
    const env = { NOTIFY_SOCKET: path, WATCHDOG_USEC: '400000' };
    const at = await ports();
    const file = await textFile(t, 'a token that is long enough');
    await using server = startCli(serverArgs(at, file, '--workers', workers), env);
    const about = (child: Child): string => `MAINPID=${child.process.pid}`;
    await until(() => heard().includes(about(server)), 'the server is heard');
    t.regex(heard(), new RegExp(`READY=1[^]*STATUS=listening on 127\\.0\\.0\\.1:${at.listen}`));
    await using client = startCli(clientArgs(at, 1, file), env);
    await until(() => heard().includes(about(client)), 'the client is heard');
    t.regex(heard(), /STATUS=dialling/);
    await until(() => heard().includes('WATCHDOG=1'), 'the watchdog is fed');
    server.kill('SIGTERM');
    t.is(await server.ended(), 0, server.output);
    await until(() => heard().includes('STOPPING=1'), 'the end is heard');
  });
}
