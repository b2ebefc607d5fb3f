import { once } from 'node:events';
import { connect } from 'node:net';
import test from 'ava';
import { runCli, startCli, textFile } from '../helpers/cli.ts';
import { askSoon, clientArgs, type Ports, ports, serverArgs } from '../helpers/cli-pair.ts';
import { echo, startTarget } from '../helpers/targets.ts';

const SECRET = 'the-secret-that-nobody-must-see';

/** A visitor from another address of this machine: what ends it. */
async function knock({ visitors }: Ports, from: string): Promise<string> {
  const visitor = connect({ port: visitors, host: '127.0.0.1', localAddress: from });
  const broken = once(visitor, 'error') as Promise<[NodeJS.ErrnoException]>;
  return (await Promise.race([broken, once(visitor, 'end').then(() => [{ code: 'end' }])]))[0]?.code ?? '';
}

for (const workers of ['1', '2']) {
  test(`case 16: who is denied is broken off, and a crowd of them is a line of the log (${workers} workers)`, async (t) => {
    const file = await textFile(t, SECRET);
    await using target = await startTarget(echo);
    const at = await ports();
    const rules = ['--visitor-deny', '192.0.2.0/24,127.0.0.2', '--visitor-deny', '127.0.0.3', '--workers', workers];
    await using server = startCli(serverArgs(at, file, ...rules));
    await server.printed(/"listening"/);
    await using client = startCli(clientArgs(at, target.port, file));
    await client.printed(/"warm"/);
    const crowd = Array.from({ length: 50 }, (_, n) => knock(at, `127.0.0.${2 + (n % 2)}`));
    t.deepEqual([...new Set(await Promise.all(crowd))], ['ECONNRESET']);
    t.is(await askSoon(at.visitors, 'hello'), 'hello');
    // One of each worker at once, and one more of each after some seconds.
    await server.printed(/visitor turned away: its address is kept out/);
    t.true((server.output.match(/visitor turned away/g)?.length ?? 0) <= 2 * Number(workers), server.output);
    t.false(server.output.includes(SECRET));
  });
}

test('case 16: the environment gives the rules, too, and visitors of a client are judged by its own', async (t) => {
  const file = await textFile(t, SECRET);
  await using target = await startTarget(echo);
  const at = await ports();
  const flow = ['--flow', 'forward', '--token-file', file];
  const listen = `127.0.0.1:${at.listen}`;
  await using server = startCli(['server', '--listen', listen, '--target', `${target.port}`, ...flow]);
  await server.printed(/"listening"/);
  const args = ['client', '--server', listen, '--local', `127.0.0.1:${at.visitors}`, '--min', '2', ...flow];
  await using client = startCli(args, { POOLD_VISITOR_ALLOW: '127.0.0.1,::1', POOLD_MAX_VISITORS: '10' });
  await client.printed(/"warm"/);
  t.is(await knock(at, '127.0.0.2'), 'ECONNRESET');
  t.is(await askSoon(at.visitors, 'hello'), 'hello');
  await client.printed(/visitor turned away: its address is kept out/);
});

const SERVER = ['server', '--listen', '127.0.0.1:0'];
const REVERSE = [...SERVER, '--public', '127.0.0.1:0'];
const wrong: [args: string[], problem: RegExp][] = [
  [[...REVERSE, '--visitor-allow', '10.0.0.0/8,example.org'], /^poold: --visitor-allow: "example\.org" is not an IP/],
  [[...REVERSE, '--visitor-deny', '10.0.0.0/33'], /^poold: --visitor-deny: "10\.0\.0\.0\/33" has no valid prefix/],
  [[...REVERSE, '--max-visitors', '0'], /^poold: --max-visitors: wants a whole number from 1/],
  [[...REVERSE, '--max-visitors-per-address', 'all'], /--max-visitors-per-address .*"all" is not a whole number/],
  [[...REVERSE, '--visitor-burst', '5'], /^poold: --visitor-burst: has no effect without --visitor-rate/],
  [
    [...SERVER, '--flow', 'forward', '--target', '3000', '--visitor-rate', '5'],
    /^poold: --visitor-rate: has no place in a forward tunnel; see --flow/,
  ],
  [
    ['client', '--server', '127.0.0.1:1', '--target', '3000', '--visitor-deny', '10.0.0.1'],
    /^poold: --visitor-deny: has no place in a reverse tunnel; see --flow/,
  ],
];

for (const [args, problem] of wrong) {
  test(`poold ${args.filter((arg) => !SERVER.includes(arg) || arg === 'server').join(' ')} is a wrong usage`, async (t) => {
    const { code, stderr } = await runCli(args);
    t.is(code, 2, stderr);
    t.regex(stderr, problem);
  });
}
