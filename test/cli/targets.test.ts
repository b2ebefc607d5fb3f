import { connect } from 'node:net';
import test from 'ava';
import { type Child, startChild } from '../helpers/child.ts';
import { startCli, textFile } from '../helpers/cli.ts';
import { clientArgs, ports, serverArgs } from '../helpers/cli-pair.ts';
import { ask } from '../helpers/pair.ts';
import { freePort } from '../helpers/targets.ts';

const SECRET = 'the-secret-that-nobody-must-see';

/** A target in a process of its own, which answers with its name and what it was told. */
async function startNamed(name: string, port: number): Promise<Child> {
  const script = `
    require('node:net').createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => {}).write('${name} ');
      socket.pipe(socket);
    }).listen(${port}, '127.0.0.1', () => console.log('ready'));`;
  const child = startChild(process.execPath, ['-e', script]);
  await child.printed(/ready/);
  return child;
}

test('two targets, one killed and brought back between visits: no visitor is lost', async (t) => {
  const file = await textFile(t, SECRET);
  const at = await ports();
  const [portA, portB] = [await freePort(), await freePort()];
  await using first = await startNamed('a', portA);
  await using other = await startNamed('b', portB);
  await using server = startCli(serverArgs(at, file));
  await server.printed(/listening/);
  const both = ['--target', `${portB}`, '--target-check-interval', '100ms', '--target-warm', '2'];
  await using client = startCli(clientArgs(at, portA, file, ...both));
  await client.printed(/"warm"/);
  let visits = 0;
  /** So many visits, four at a time; which targets have answered them. */
  const names = async (count: number): Promise<string> => {
    const found = new Set<string>();
    const visitor = async (): Promise<void> => {
      for (let n = 0; n < count / 4; n += 1) {
        const message = `visit ${visits++}`;
        const answer = await ask(connect({ port: at.visitors, host: '127.0.0.1', allowHalfOpen: true }), message);
        t.is(answer.slice(2), message);
        found.add(answer.slice(0, 1));
      }
    };
    await Promise.all([visitor(), visitor(), visitor(), visitor()]);
    return [...found].sort().join('');
  };
  t.is(await names(40), 'ab');
  first.kill('SIGKILL');
  await first.ended();
  t.is(await names(40), 'b');
  await client.printed(/the target is down: connect ECONNREFUSED/);
  await using again = await startNamed('a', portA);
  await client.printed(/the target is up again/);
  t.is(await names(40), 'ab');
  t.is(client.output.match(/the target is (down|up)/g)?.length, 2, client.output);
  for (const { output } of [other, again, client, server]) t.false(output.includes(SECRET));
});

test('a server of a forward tunnel says which target is down, and serves by the other', async (t) => {
  const file = await textFile(t, SECRET);
  const at = await ports();
  const [portA, portB] = [await freePort(), await freePort()];
  await using other = await startNamed('b', portB);
  const targets = ['--target', `${portA},${portB}`, '--target-strategy', 'failover', '--target-check', 'off'];
  const listen = `127.0.0.1:${at.listen}`;
  await using server = startCli(['server', '--listen', listen, '--flow', 'forward', ...targets, '--token-file', file]);
  await server.printed(/listening/);
  const local = ['--flow', 'forward', '--local', `127.0.0.1:${at.visitors}`];
  await using client = startCli(['client', '--server', listen, ...local, '--token-file', file, '--min', '4']);
  await client.printed(/"warm"/);
  t.is(await ask(connect({ port: at.visitors, host: '127.0.0.1', allowHalfOpen: true }), 'hello'), 'b hello');
  const [line] = await server.printed(/.*the target is down: connect ECONNREFUSED.*/);
  t.is((JSON.parse(line) as { target: string }).target, `127.0.0.1:${portA}`);
  t.false((server.output + client.output + other.output).includes(SECRET));
});
