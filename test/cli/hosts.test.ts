/** --hosts and --proxy-from: visitors who are read before they are let in, by the command. */
import { writeFile } from 'node:fs/promises';
import test from 'ava';
import { encodeProxyHeader } from '../../src/shared/net/proxy-header.ts';
import { runCli, startCli, textFile } from '../helpers/cli.ts';
import { clientArgs, ports, serverArgs } from '../helpers/cli-pair.ts';
import { answer, get } from '../helpers/public-address.ts';
import { sayTo } from '../helpers/raw-visitor.ts';
import { startTarget } from '../helpers/targets.ts';

const SECRET = 'the-secret-that-nobody-must-see';

/** What a proxy in front says of a visitor. */
const header = encodeProxyHeader(1, {
  source: { host: '198.51.100.7', port: 4711 },
  destination: { host: '192.0.2.80', port: 443 },
}).toString('latin1');

test('visitors are read for their host and their proxy, also in several processes', async (t) => {
  const file = await textFile(t, SECRET);
  await using target = await startTarget(answer('A'));
  const at = await ports();
  const flags = ['--hosts', 'a.example,*.b.example', '--workers', '2', '--log-level', 'debug'];
  await using server = startCli(serverArgs(at, file, ...flags), { POOLD_PROXY_FROM: '127.0.0.1' });
  await server.printed(/"listening"/);
  await using client = startCli(clientArgs(at, target.port, file));
  await client.printed(/"warm"/);
  for (const host of ['a.example', 'x.b.example', 'a.example', 'a.example']) {
    using visitor = sayTo(at.visitors, [header + get(host)]);
    await visitor.answered('\r\n\r\nA');
  }
  await server.printed(/"remote":"198\.51\.100\.7:4711"[^\n]*"visit opened"/);
  using direct = sayTo(at.visitors, [get('a.example')], '127.0.0.2');
  await direct.answered('\r\n\r\nA');
  t.regex((await sayTo(at.visitors, [header + get('c.example')]).fate).text, /^HTTP\/1\.1 421 /);
  await server.printed(
    /198\.51\.100\.7:4711[^\n]*turned away: no tunnel at this address has the host[^\n]*\(c\.example\)/,
  );
  t.is((await sayTo(at.visitors, [get('a.example')]).fate).end, 'ECONNRESET');
  await server.printed(/turned away: it comes from a trusted proxy/);
});

test('hosts and proxies are read from their files again', async (t) => {
  const [file, hosts, proxies] = [
    await textFile(t, SECRET),
    await textFile(t, 'a.example\n'),
    await textFile(t, '::1\n'),
  ];
  await using target = await startTarget(answer('A'));
  const at = await ports();
  const flags = ['--hosts', `@${hosts}`, '--proxy-from', `@${proxies}`];
  await using server = startCli(serverArgs(at, file, ...flags));
  await server.printed(/"listening"/);
  await using client = startCli(clientArgs(at, target.port, file));
  await client.printed(/"warm"/);
  using inside = sayTo(at.visitors, [get('a.example')]);
  await inside.answered('A');
  await Promise.all([writeFile(hosts, '# moved\nb.example\n'), writeFile(proxies, '127.0.0.0/8\n')]);
  server.kill('SIGHUP');
  await server.printed(/reloaded/);
  using visitor = sayTo(at.visitors, [header + get('b.example')]);
  await visitor.answered('\r\n\r\nA');
  t.regex((await sayTo(at.visitors, [header + get('a.example')]).fate).text, /^HTTP\/1\.1 421 /);
  await Promise.all([writeFile(hosts, 'c.example\nno host\n'), writeFile(proxies, '')]);
  server.kill('SIGHUP');
  await server.printed(/nothing has changed: --proxy-from: [^\n]* names nobody/);
  await writeFile(proxies, '::1\n');
  server.kill('SIGHUP');
  await server.printed(/nothing has changed: --hosts: \\"no host\\"/);
  using still = sayTo(at.visitors, [header + get('b.example')]);
  await still.answered('\r\n\r\nA');
  inside.socket.write(get('a.example'));
  await inside.answered('AHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nA');
});

const SERVER = ['server', '--listen', '127.0.0.1:0'];
const REVERSE = [...SERVER, '--public', '127.0.0.1:0'];
const FORWARD = [...SERVER, '--flow', 'forward', '--target', '3000'];
const wrong: [args: string[], problem: RegExp][] = [
  [[...REVERSE, '--hosts', 'a.example,*'], /^poold: --hosts: "\*" is no host; a wildcard stands for whole labels/],
  [[...REVERSE, '--hosts', 'a.example', '--hosts', 'A.example.'], /^poold: --hosts: a\.example is given twice/],
  [[...REVERSE, '--hosts', '10.0.0.1'], /^poold: --hosts: "10\.0\.0\.1" is not the name of a host; write www/],
  [[...REVERSE, '--proxy-from', 'balancer'], /^poold: --proxy-from: "balancer" is not an IP address or range/],
  [[...REVERSE, '--protocol', 'udp', '--hosts', 'a.example'], /^poold: --hosts: has no effect with protocol 'udp'/],
  [[...REVERSE, '--protocol', 'udp', '--proxy-from', '::1'], /^poold: --proxy-from: has no effect with protocol 'udp'/],
  [[...FORWARD, '--hosts', 'a.example'], /^poold: --hosts: has no place in a forward tunnel; see --flow/],
  [[...FORWARD, '--proxy-from', '::1'], /^poold: --proxy-from: has no place in a forward tunnel; see --flow/],
];

for (const [args, problem] of wrong) {
  test(`poold ${args.filter((arg) => !SERVER.includes(arg) || arg === 'server').join(' ')} is a wrong usage`, async (t) => {
    const { code, stderr } = await runCli(args);
    t.is(code, 2, stderr);
    t.regex(stderr, problem);
  });
}
