import { Command } from 'commander';
import test from 'ava';
import { COMMAND_ROWS, flagsOf, levelsOf } from '../../../src/cli/command-flags.ts';
import { readConfig } from '../../../src/cli/config/config-file.ts';
import { fileCommands } from '../../../src/cli/config/tunnel-commands.ts';
import { toOption } from '../../../src/cli/flag.ts';
import { explain } from '../../../src/cli/option-errors.ts';
import { clientTunnel, serverSettings, serverTunnel } from '../../../src/cli/settings.ts';
import { InvalidOptionError } from '../../../src/shared/errors.ts';
import { textFile } from '../../helpers/cli.ts';

/** A command as it was typed. */
function typed(side: 'server' | 'client', args: readonly string[], env: Record<string, string> = {}): Command {
  const command = new Command(side).exitOverride();
  for (const flag of flagsOf(COMMAND_ROWS[side])) command.addOption(toOption(flag));
  const before = { ...process.env };
  Object.assign(process.env, env);
  command.parse(args, { from: 'user' });
  for (const name of Object.keys(env)) if (before[name] === undefined) delete process.env[name];
  return command;
}

const SERVER = `server:
  listen: 127.0.0.1:7000
  token: a token that is long enough
  keep-alive: 20s
  wait: 2s
  tunnels:
    web:
      public: 127.0.0.1:8080
      max: 9
    db:
      flow: forward
      target: 127.0.0.1:5432
      keep-alive: 10s
`;

test.serial(
  'each tunnel has its own values over those for all, and those of command line and environment over both',
  async (t) => {
    const file = readConfig(await textFile(t, SERVER), levelsOf, {});
    const command = typed('server', ['--max-waiting', '7'], { POOLD_HANDSHAKE_TIMEOUT: '3s' });
    const { process, tunnels } = fileCommands(command, file);
    const { listener } = await serverSettings(process);
    t.like(listener, { listen: { port: 7000 }, handshakeTimeoutMs: 3000, keepAliveMs: 20_000 });
    const [web, db] = [...tunnels.values()].map((one) => serverTunnel(one));
    t.like(web?.pool, {
      tunnel: 'web',
      keepAliveMs: 20_000,
      maxCapacity: 9,
      opener: 'server',
    });
    t.like(web?.tunnel, { waitMs: 2000 });
    t.like(db?.pool, { tunnel: 'db', keepAliveMs: 10_000, maxCapacity: undefined, opener: 'client' });
    t.like(db?.tunnel, { waitMs: undefined }, 'what is for the other flow is for other tunnels');
  },
);

test.serial('errors name the place in the file', async (t) => {
  const path = await textFile(t, SERVER.replace('max: 9', 'wait: 1s\n      flow: forward\n      target: "3000"'));
  const { tunnels } = fileCommands(typed('server', []), readConfig(path, levelsOf, {}));
  const web = tunnels.get('web') as Command;
  t.throws(() => serverTunnel(web), {
    message: `${path}:8 server.tunnels.web.public: has no place in a forward tunnel; see --flow`,
  });
  const bad = new InvalidOptionError('keepAliveMs', 'wants 0, or 1000 to 3600000');
  t.is(explain(bad, web), `${path}:4 server.keep-alive: wants 0, or 1000 to 3600000`);
  const name = new InvalidOptionError('tunnel', 'wants 1 to 64 of A-Z a-z 0-9 . _ -');
  t.is(explain(name, web), `${path}:7 server.tunnels.web: wants 1 to 64 of A-Z a-z 0-9 . _ -`);
});

test.serial('a client’s tunnels may have servers and tokens of their own', async (t) => {
  const path = await textFile(
    t,
    'client:\n  server: a:1\n  tunnels:\n    web: { target: 3000 }\n    db: { target: 5432, server: [b:1, c:1] }\n',
  );
  const { tunnels } = fileCommands(typed('client', []), readConfig(path, levelsOf, {}));
  const [web, db] = await Promise.all([...tunnels.values()].map((one) => clientTunnel(one)));
  t.deepEqual([web?.pool.dial, db?.pool.dial], [['a:1'], ['b:1', 'c:1']]);
});

test.serial(
  'a flag that belongs to one tunnel is refused beside a file; in the environment it is left alone',
  async (t) => {
    const file = readConfig(await textFile(t, SERVER), levelsOf, {});
    t.throws(() => fileCommands(typed('server', ['--public', '127.0.0.1:1']), file), {
      message: /^--public: belongs to one tunnel, and \S+ names them/,
    });
    t.throws(() => fileCommands(typed('server', ['--tunnel', 'web']), file), { message: /^--tunnel: belongs/ });
    t.is(fileCommands(typed('server', [], { POOLD_PUBLIC: '127.0.0.1:1' }), file).tunnels.size, 2);
  },
);
