/** Many tunnels of one file: served together, and changed one by one while the others go on. */
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer as createHttp, get } from 'node:http';
import { type AddressInfo, connect, createServer } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { startCli, textFile, runCli } from '../helpers/cli.ts';
import { askSoon } from '../helpers/cli-pair.ts';
import type { Child } from '../helpers/child.ts';
import { until } from '../helpers/events.ts';
import { ask } from '../helpers/pair.ts';
import { echo, freePort, startNamed, startTarget } from '../helpers/targets.ts';
import { startUdp, startVisitor } from '../helpers/udp.ts';
import { startVisitors } from '../helpers/visitor-load.ts';

const TOKEN = 'a token that is long enough';

/** Free ports, by names. */
async function freePorts<K extends string>(...names: K[]): Promise<Record<K, number>> {
  const ports = await Promise.all(names.map(() => freePort()));
  return Object.fromEntries(names.map((name, at) => [name, ports[at]])) as Record<K, number>;
}

const count = (child: Child, pattern: RegExp): number => [...child.output.matchAll(new RegExp(pattern, 'g'))].length;

/** Writes a file anew, asks for a reload, and resolves with what is said of it. */
async function reload(child: Child, file: string, text: string): Promise<string> {
  const said = /"msg":"reload/;
  const before = count(child, said);
  await writeFile(file, text);
  child.kill('SIGHUP');
  await until(() => count(child, said) > before, 'the reload is logged');
  return child.output.split('\n').findLast((line) => said.test(line)) ?? '';
}

/** A file as an editor has it, with the token in the environment. */
const env = { SECRET: TOKEN };

async function startFile(t: ExecutionContext, side: 'server' | 'client', text: string, ...more: string[]) {
  const file = await textFile(t, text);
  const child = startCli([side, '--config', file, ...more], env);
  return { file, child };
}

test.serial('a server and a client serve the tunnels of their files: TCP and UDP, reverse and forward', async (t) => {
  await using web = await startTarget(echo);
  await using db = await startNamed('db');
  await using dns = await startUdp();
  const at = await freePorts('listen', 'web', 'dns', 'local');
  const { child: server } = await startFile(
    t,
    'server',
    `# What holds for all stands on top.
server:
  listen: 127.0.0.1:${at.listen}
  token: \${SECRET}
  grace-period: 100ms
  tunnels:
    web: { public: "127.0.0.1:${at.web}" }
    dns:
      protocol: udp
      public: 127.0.0.1:${at.dns}
    db:
      flow: forward
      target: ${db.port}
`,
  );
  await using _server = server;
  await server.printed(/"listening"/);
  const { child: client } = await startFile(
    t,
    'client',
    `client:
  server: 127.0.0.1:${at.listen}
  token: \${SECRET}
  grace-period: 100ms
  min: 2
  tunnels:
    web: { target: ${web.port} }
    dns: { protocol: udp, target: ${dns.port} }
    db: { flow: forward, local: ${at.local} }
`,
  );
  await using _client = client;
  await client.printed(/(?:"warm"[^]*){3}/);
  t.is(await askSoon(at.web, 'hello'), 'hello');
  await using visitor = await startVisitor(at.dns);
  t.is(String(await visitor.ask('datagram')), 'datagram');
  t.is(await ask(connect({ port: at.local, host: '127.0.0.1', allowHalfOpen: true }), ''), 'db');
  for (const child of [client, server]) {
    child.kill('SIGTERM');
    t.is(await child.ended(), 0, child.output);
    t.notRegex(child.output, /"level":[56]0/);
    t.notRegex(child.output, new RegExp(TOKEN));
  }
});

for (const workers of [1, 2]) {
  test.serial(`a reload touches what has changed, and nothing else (${workers} workers)`, async (t) => {
    await using target = await startTarget(echo);
    await using other = await startNamed('other');
    const at = await freePorts('listen', 'web', 'old', 'moved', 'new');
    const serverText = (tunnels: string) => `server:
  listen: 127.0.0.1:${at.listen}
  token: ${TOKEN}
  workers: ${workers}
  tunnels:
    web: { public: "127.0.0.1:${at.web}" }
${tunnels}`;
    const clientText = (tunnels: string) => `client:
  server: 127.0.0.1:${at.listen}
  token: ${TOKEN}
  min: 4
  tunnels:
    web: { target: ${target.port} }
${tunnels}`;
    const before = [
      `    moving: { public: "127.0.0.1:${at.old}" }\n    going: { flow: forward, target: ${target.port} }\n`,
      `    moving: { target: ${target.port} }\n`,
    ] as const;
    const { file: serverFile, child: server } = await startFile(t, 'server', serverText(before[0]));
    await using _server = server;
    await server.printed(/"listening"/);
    const { file: clientFile, child: client } = await startFile(t, 'client', clientText(before[1]));
    await using _client = client;
    t.is(await askSoon(at.web, 'hello'), 'hello');
    t.is(await askSoon(at.old, 'hello'), 'hello');
    await using load = startVisitors({ port: at.web, limitMs: 20_000, visitors: 4 });
    await load.answered(20);
    // One that is on goes on, although its tunnel is replaced.
    const long = connect({ port: at.old, host: '127.0.0.1', allowHalfOpen: true });
    long.write('begun, ');
    await new Promise((resolve) => long.once('data', resolve));
    const after = [
      `    moving: { public: "127.0.0.1:${at.moved}" }\n    new: { public: "127.0.0.1:${at.new}" }\n`,
      `    moving: { target: ${target.port} }\n    new: { target: ${other.port} }\n`,
    ] as const;
    t.regex(
      await reload(server, serverFile, serverText(after[0])),
      /"added":\["new"\],"changed":\["moving"\],"removed":\["going"\]/,
    );
    t.regex(await reload(client, clientFile, clientText(after[1])), /"added":\["new"\],"msg"/);
    t.is(await askSoon(at.moved, 'moved'), 'moved');
    t.is(await askSoonNamed(at.new), 'other');
    await load.answered(20);
    t.is(await ask(long, 'ended'), 'ended');
    const { lost, wrong, hung, refused, short } = await load.stop();
    t.deepEqual({ lost, wrong, hung, refused, short }, { lost: 0, wrong: 0, hung: 0, refused: 0, short: 0 });
    // Its clients have noticed nothing either: the connections are those of before.
    t.notRegex(client.output, /"tunnel":"web"[^\n]*lost/);
    t.is(count(server, /"tunnel":"web"[^\n]*"client joined"/), workers);
    t.is(await refusal(at.old), 'ECONNREFUSED');
    for (const child of [client, server]) {
      child.kill('SIGTERM');
      t.is(await child.ended(), 0, child.output);
      t.notRegex(child.output, /"level":[56]0/);
    }
  });
}

/** Why nobody can be reached there. */
async function refusal(port: number): Promise<string | undefined> {
  const [error] = (await once(connect(port, '127.0.0.1'), 'error')) as [NodeJS.ErrnoException];
  return error.code;
}

/** Asks a target that names itself until it does. */
async function askSoonNamed(port: number): Promise<string> {
  for (;;) {
    try {
      const answer = await ask(connect({ port, host: '127.0.0.1', allowHalfOpen: true }), '');
      if (answer !== '') return answer;
    } catch {
      // It is coming up.
    }
  }
}

for (const workers of [1, 2]) {
  test.serial(`case 21: a file with a mistake changes nothing, and is reported (${workers} workers)`, async (t) => {
    await using target = await startTarget(echo);
    await using busy = await startTarget(echo);
    const at = await freePorts('listen', 'web', 'more');
    const good = `server:
  listen: 127.0.0.1:${at.listen}
  token: ${TOKEN}
  workers: ${workers}
  tunnels:
    web:
      public: 127.0.0.1:${at.web}
`;
    const { file, child: server } = await startFile(t, 'server', good);
    await using _server = server;
    await server.printed(/"listening"/);
    const flags = ['--server', `127.0.0.1:${at.listen}`, '--target', `${target.port}`, '--tunnel', 'web'];
    await using _client = startCli(['client', ...flags, '--min', '2'], { POOLD_TOKEN: TOKEN });
    t.is(await askSoon(at.web, 'before'), 'before');
    const more = `    more:\n      public: 127.0.0.1:${at.more}\n`;
    const bad: readonly [text: string, says: RegExp][] = [
      [
        `${good + more}      max-visitrs: 5\n`,
        /:10 server\.tunnels\.more\.max-visitrs: is not known here; did you mean max-visitors\?/,
      ],
      [`${good + more}      max-visitors: 0\n`, /:10 server\.tunnels\.more\.max-visitors: /],
      [`${good + more}    taken:\n      public: 127.0.0.1:${busy.port}\n`, /EADDRINUSE/],
      [`${good + more}  log-level: debug\n`, /:10 server\.log-level: cannot change while the command runs/],
      [good.replace(TOKEN, '" "') + more, /:3 server\.token: is empty/],
      [`${good + more}  tls: 2\n`, /:10 server\.tls: cannot change/],
      ['server: [', /:1: /],
    ];
    for (const [text, says] of bad) {
      const said = await reload(server, file, text);
      t.regex(said, /nothing has changed/);
      t.regex(said, says);
      t.notRegex(said, new RegExp(TOKEN));
      t.is(await refusal(at.more), 'ECONNREFUSED');
    }
    t.is(await ask(connect({ port: at.web, host: '127.0.0.1', allowHalfOpen: true }), 'after'), 'after');
    t.regex(await reload(server, file, good + more), /"added":\["more"\]/);
  });
}

test.serial(
  'a tunnel moves to another address of its port, and what the system refuses then is said and mended',
  async (t) => {
    const at = await freePorts('listen', 'web', 'more', 'admin');
    const text = (host: string, more = ''): string => `server:
  listen: 127.0.0.1:${at.listen}
  token: ${TOKEN}
  admin: ${at.admin}
  tunnels:
    web: { public: "${host}:${at.web}" }
${more}`;
    const more = `    more: { public: "127.0.0.1:${at.more}" }\n`;
    const { file, child: server } = await startFile(t, 'server', text('127.0.0.1'));
    await using _server = server;
    await server.printed(/"listening"/);
    t.regex(await reload(server, file, text('0.0.0.0')), /"changed":\["web"\],"msg":"reloaded/);
    t.regex(await reload(server, file, text('127.0.0.1')), /"changed":\["web"\],"msg":"reloaded/);
    // Somebody else has the port at one of the addresses.
    const busy = createServer().listen(at.web, '127.0.0.2');
    t.teardown(() => busy.close());
    await once(busy, 'listening');
    const said = await reload(server, file, text('0.0.0.0', more));
    t.regex(
      said,
      /"added":\["more"\],"msg":"reload: not all of it could be done: tunnel web: cannot listen on 0\.0\.0\.0/,
    );
    const again = await fetch(`http://127.0.0.1:${at.admin}/reload`, { method: 'POST' });
    // It is a new one by now, and a change can be tried beforehand.
    t.is(again.status, 422);
    t.regex(await reload(server, file, text('127.0.0.1', more)), /"added":\["web"\],"msg":"reloaded/);
    await writeFile(file, text('0.0.0.0', more));
    const partly = await fetch(`http://127.0.0.1:${at.admin}/reload`, { method: 'POST' });
    t.is(partly.status, 500);
    t.regex(((await partly.json()) as { error: string }).error, /^not all of it could be done: tunnel web: /);
  },
);

test.serial('new tunnels that are in each other’s way change nothing', async (t) => {
  const at = await freePorts('listen', 'web', 'more');
  const good = `server:
  listen: 127.0.0.1:${at.listen}
  token: ${TOKEN}
  tunnels:
    web: { public: "127.0.0.1:${at.web}" }
`;
  const { file, child: server } = await startFile(t, 'server', good);
  await using _server = server;
  await server.printed(/"listening"/);
  const two = `    one: { public: "0.0.0.0:${at.more}" }\n    two: { public: "127.0.0.1:${at.more}" }\n`;
  t.regex(
    await reload(server, file, good + two),
    /nothing has changed: cannot listen on 127\.0\.0\.1:\d+: .*EADDRINUSE/,
  );
  t.is(await refusal(at.more), 'ECONNREFUSED');
});

test.serial('case 21: a misspelt key ends the command with its line, and starts nothing', async (t) => {
  const file = await textFile(t, 'client:\n  server: 127.0.0.1:1\n  tokn: x\n  tunnels:\n    web: { target: 3000 }\n');
  for (const args of [
    ['client', '-c', file],
    ['check', file],
  ]) {
    const { code, stderr, stdout } = await runCli(args);
    t.is(code, 2);
    t.is(stderr, `poold: ${file}:3 client.tokn: is not known here; did you mean token?\n`);
    t.is(stdout, '');
  }
  const other = await runCli(['server', '-c', file]);
  t.is(other.code, 2);
});

test.serial('tokens of a file open the tunnels that they name, and are called by their names', async (t) => {
  await using target = await startTarget(echo);
  const secret = await textFile(t, 'the secret of the laptop');
  const at = await freePorts('listen', 'web', 'db');
  const { child: server } = await startFile(
    t,
    'server',
    `server:
  listen: 127.0.0.1:${at.listen}
  tokens:
    - { name: laptop, file: ${secret}, tunnels: [web] }
    - { name: phone, token: "\${SECRET}", expires: 2099-01-31 }
  tunnels:
    web: { public: "127.0.0.1:${at.web}" }
    db: { public: "127.0.0.1:${at.db}" }
`,
  );
  await using _server = server;
  await server.printed(/"listening"/);
  const client = (tunnel: string, token: string): Child =>
    startCli(['client', '--server', `127.0.0.1:${at.listen}`, '--target', `${target.port}`, '--tunnel', tunnel], {
      POOLD_TOKEN: token,
    });
  await using _laptop = client('web', 'the secret of the laptop');
  await using _phone = client('db', TOKEN);
  t.is(await askSoon(at.web, 'laptop'), 'laptop');
  t.is(await askSoon(at.db, 'phone'), 'phone');
  await server.printed(/"tunnel":"web"[^\n]*"token":"laptop"/);
  await server.printed(/"tunnel":"db"[^\n]*"token":"phone"/);
  await using stranger = client('db', 'the secret of the laptop');
  t.is(await stranger.ended(), 3, stranger.output);
  t.regex(stranger.output, /does not open the tunnel db/);
});

test.serial('a server that has no tunnels of its own opens ports for the tunnels of a client’s file', async (t) => {
  await using target = await startTarget(echo);
  const at = await freePorts('listen', 'web', 'admin');
  const { child: server } = await startFile(
    t,
    'server',
    `server:
  listen: 127.0.0.1:${at.listen}
  token: \${SECRET}
  admin: ${at.admin}
  publish:
    ports: ${at.web}
    host: 127.0.0.1
`,
  );
  await using _server = server;
  await server.printed(/"listening"/);
  const ready = await fetch(`http://127.0.0.1:${at.admin}/readyz`);
  t.is(await ready.text(), 'ready: listening, no tunnels yet\n');
  const { child: client } = await startFile(
    t,
    'client',
    `client:
  server: 127.0.0.1:${at.listen}
  token: \${SECRET}
  tunnels:
    site: { target: ${target.port}, publish: ${at.web} }
`,
  );
  await using _client = client;
  t.is(await askSoon(at.web, 'hello'), 'hello');
  const status = await (await fetch(`http://127.0.0.1:${at.admin}/status`)).json();
  t.like(status, { tunnels: [{ tunnel: 'site', entrance: `127.0.0.1:${at.web}` }], ready: true });
  const own = `  tunnels:\n    site: { public: "127.0.0.1:0" }\n`;
  const file = server.process.spawnargs.at(-1) as string;
  t.regex(
    await reload(server, file, (await readFile(file, 'utf8')) + own),
    /a client has published port \d+ under this name/,
  );
});

/** The body that a host answers, or the status where there is none. */
function askHost(port: number, host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = get({ port, host: '127.0.0.1', path: '/', headers: { host }, agent: false }, (response) => {
      const { statusCode } = response;
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () => resolve(statusCode === 200 ? body : String(statusCode)));
    });
    asked.on('error', reject);
  });
}

/** Asks until the host is answered so. */
async function hostAnswers(port: number, host: string, wanted: string): Promise<void> {
  for (;;) {
    const answer = await askHost(port, host).catch(() => undefined);
    if (answer === wanted) return;
  }
}

for (const workers of [1, 2]) {
  test.serial(
    `tunnels of a file share an address by their hosts, and a reload moves a host (${workers} workers)`,
    async (t) => {
      const sites = await Promise.all(
        ['one', 'two', 'three'].map(async (name) => {
          const site = createHttp((_request, response) => response.end(name)).listen(0, '127.0.0.1');
          t.teardown(() => site.close().closeAllConnections());
          await once(site, 'listening');
          return (site.address() as AddressInfo).port;
        }),
      );
      const at = await freePorts('listen', 'web');
      const text = (one: string, two: string, more = ''): string => `server:
  listen: 127.0.0.1:${at.listen}
  token: ${TOKEN}
  workers: ${workers}
  tunnels:
    one: { public: "127.0.0.1:${at.web}", hosts: ${one} }
    two: { public: "127.0.0.1:${at.web}", hosts: ${two} }
${more}`;
      const { file, child: server } = await startFile(t, 'server', text('a.test', '[b.test, "*.c.test"]'));
      await using _server = server;
      await server.printed(/"listening"/);
      const { child: client } = await startFile(
        t,
        'client',
        `client:
  server: 127.0.0.1:${at.listen}
  token: ${TOKEN}
  tunnels: { one: { target: ${sites[0]} }, two: { target: ${sites[1]} }, three: { target: ${sites[2]} } }
`,
      );
      await using _client = client;
      await hostAnswers(at.web, 'a.test', 'one');
      await hostAnswers(at.web, 'b.test', 'two');
      t.is(await askHost(at.web, 'x.c.test'), 'two');
      t.is(await askHost(at.web, 'd.test'), '421');
      const twice = await reload(server, file, text('[a.test, b.test]', 'b.test'));
      t.regex(twice, /nothing has changed: \S+:7 server\.tunnels\.two\.hosts: /);
      const moved = await reload(server, file, text('[a.test, b.test]', '"*.c.test"'));
      t.regex(moved, /"msg":"reloaded/);
      t.notRegex(moved, /"changed"|"added"/, 'no connection is replaced for it');
      t.is(await askHost(at.web, 'b.test'), 'one');
      // A third one takes the rest, and one of the two goes.
      const rest = `    three: { public: "127.0.0.1:${at.web}" }\n`;
      t.regex(await reload(server, file, text('a.test', 'b.test', rest)), /"added":\["three"\],"msg"/);
      await hostAnswers(at.web, 'd.test', 'three');
      t.is(await askHost(at.web, 'b.test'), 'two');
      t.notRegex(client.output, /"tunnel":"(?:one|two)"[^\n]*lost/);
    },
  );
}
