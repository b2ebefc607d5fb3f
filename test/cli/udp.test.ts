import { Resolver } from 'node:dns/promises';
import test from 'ava';
import { hasReusePort } from '../../src/shared/net/socket-options.ts';
import { runCli, startCli, textFile } from '../helpers/cli.ts';
import { clientArgs, ports, serverArgs } from '../helpers/cli-pair.ts';
import { a, startDns } from '../helpers/dns-server.ts';
import { startUdp, startVisitor } from '../helpers/udp.ts';

const SECRET = 'the-secret-that-nobody-must-see';
const UDP = ['--protocol', 'udp'];

function resolverAt(port: number): Resolver {
  const resolver = new Resolver({ timeout: 2000, tries: 5 });
  resolver.setServers([`127.0.0.1:${port}`]);
  return resolver;
}

for (const flow of ['reverse', 'forward'] as const) {
  test(`names are resolved through a tunnel, and both commands end in order (${flow})`, async (t) => {
    const file = await textFile(t, SECRET);
    await using dns = await startDns({
      ...a('one.test', 60, '192.0.2.1'),
      ...a('two.test', 60, '192.0.2.2', '192.0.2.3'),
    });
    const at = await ports();
    const forward = ['--flow', 'forward', '--token-file', file, ...UDP];
    await using server = startCli(
      flow === 'reverse'
        ? serverArgs(at, file, ...UDP, '--grace-period', '100ms')
        : ['server', '--listen', `127.0.0.1:${at.listen}`, '--target', `${dns.port}`, ...forward],
    );
    await server.printed(/"listening"/);
    await using client = startCli(
      flow === 'reverse'
        ? clientArgs(at, dns.port, file, ...UDP, '--flow-idle-timeout', '5s')
        : ['client', '--server', `127.0.0.1:${at.listen}`, '--local', `127.0.0.1:${at.visitors}`, ...forward],
    );
    await client.printed(/"warm"/);
    const resolver = resolverAt(at.visitors);
    t.deepEqual(await resolver.resolve4('one.test'), ['192.0.2.1']);
    t.deepEqual((await resolver.resolve4('two.test')).toSorted(), ['192.0.2.2', '192.0.2.3']);
    await t.throwsAsync(resolver.resolve4('three.test'), { code: 'ENOTFOUND' });
    t.deepEqual(dns.asked.slice(0, 2), ['A one.test', 'A two.test']);
    for (const command of flow === 'reverse' ? [server, client] : [client, server]) {
      command.kill('SIGTERM');
      t.is(await command.ended(), 0, command.output);
      t.notRegex(command.output, /"level":(50|60)/);
      t.regex(command.output, /"datagrams":\{"flows":0.*"ended"/);
    }
    t.notRegex(server.output + client.output, new RegExp(SECRET));
  });
}

test('a client that is killed and started again serves the same visitor', async (t) => {
  const file = await textFile(t, SECRET);
  await using service = await startUdp();
  const at = await ports();
  await using server = startCli(serverArgs(at, file, ...UDP));
  await server.printed(/"listening"/);
  const first = startCli(clientArgs(at, service.port, file, ...UDP));
  await first.printed(/"warm"/);
  await using visitor = await startVisitor(at.visitors);
  t.is(await visitor.askUntil('one'), 'one');
  first.kill('SIGKILL');
  await first.ended();
  await using again = startCli(clientArgs(at, service.port, file, ...UDP));
  await again.printed(/"warm"/);
  t.is(await visitor.askUntil('two'), 'two');
  t.notRegex(server.output, /"level":(50|60)/);
});

const several = hasReusePort(process.versions.node) ? test : test.skip;
const alone = hasReusePort(process.versions.node) ? test.skip : test;

several('several processes share the visitors, each of whom stays with one', async (t) => {
  const file = await textFile(t, SECRET);
  await using service = await startUdp();
  const at = await ports();
  await using server = startCli(serverArgs(at, file, ...UDP, '--workers', '2', '--log-level', 'debug'));
  await server.printed(/"workers":2/);
  await using client = startCli(clientArgs(at, service.port, file, ...UDP));
  await server.printed(/(client joined.*){2}/s);
  const visitors = await Promise.all(Array.from({ length: 16 }, () => startVisitor(at.visitors)));
  for (const visitor of visitors) t.is(await visitor.askUntil(`${visitor.port}`), `${visitor.port}`);
  for (const visitor of visitors) t.is(await visitor.askUntil('again'), 'again');
  t.is(service.sources.size, 16, 'a flow each');
  for (const worker of [0, 1]) t.regex(server.output, new RegExp(`"worker":${worker}.*"flow opened"`));
  server.kill('SIGTERM');
  t.is(await server.ended(), 0, server.output);
  await Promise.all(visitors.map((visitor) => visitor[Symbol.asyncDispose]()));
  t.pass(client.output);
});

alone('several processes are refused where they cannot share a port', async (t) => {
  const file = await textFile(t, SECRET);
  const { code, stderr } = await runCli(serverArgs(await ports(), file, ...UDP, '--workers', '2'));
  t.is(code, 2);
  t.regex(stderr, /--workers: several processes take datagrams at one --public only with Node 22\.12/);
});

test('flags that mean nothing for datagrams are refused by their names', async (t) => {
  const file = await textFile(t, SECRET);
  const at = await ports();
  const wait = await runCli(serverArgs(at, file, ...UDP, '--wait', '5s'));
  t.deepEqual([wait.code, /--wait: has no effect with protocol 'udp'/.test(wait.stderr)], [2, true], wait.stderr);
  const check = await runCli(clientArgs(at, 53, file, ...UDP, '--target-check', 'tcp'));
  t.deepEqual([check.code, /--target-check: has no effect/.test(check.stderr)], [2, true], check.stderr);
  const flows = await runCli(serverArgs(at, file, '--max-flows', '5'));
  t.deepEqual([flows.code, /--max-flows: has no effect without/.test(flows.stderr)], [2, true], flows.stderr);
});
