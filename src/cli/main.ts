/** The command line: reads flags, runs a command, and says how it ended. */
import { Command, CommanderError } from 'commander';
import { ConfigError, PooldError, reasonOf } from '../shared/errors.ts';
import { CERT_FLAGS, type CertSettings } from './cert-flags.ts';
import { adminSettings } from './admin-flags.ts';
import { withAdmin } from './admin/with-admin.ts';
import { COMMAND_ROWS, type Rows } from './command-flags.ts';
import type { Side } from './config/config-file.ts';
import { addCompletionCommand } from './completion/completion-command.ts';
import { ExitCode } from './exit-codes.ts';
import { groupFlags, HELP } from './help-groups.ts';
import { type Flag, toOption } from './flag.ts';
import { type ClientPlan, clientPlan, type ServerPlan, serverPlan } from './plan.ts';
import { addManCommand } from './man/man-command.ts';
import { addStatusCommand } from './status/status-command.ts';
import { packageVersion } from './version.ts';
import { workerPlace } from './workers/worker-place.ts';

const SERVER_EXAMPLES = `
Examples:
  $ poold token > token.txt && chmod 600 token.txt
  $ poold server --listen 0.0.0.0:7000 --public 0.0.0.0:8080 --token-file token.txt
  $ poold server --listen 0.0.0.0:7000 --public 0.0.0.0:443 --token-file token.txt --tls 2 --cert cert.pem --key key.pem
  $ poold server --listen 0.0.0.0:7000 --flow forward --target 10.0.0.5:5432 --token-file token.txt
  $ poold server --listen 0.0.0.0:7000 --protocol udp --public 0.0.0.0:53 --token-file token.txt

Every flag can be set in the environment: --keep-alive 10s is POOLD_KEEP_ALIVE=10s.`;

const CLIENT_EXAMPLES = `
Examples:
  $ poold client --server example.org:7000 --target 3000 --token-file token.txt
  $ poold client --server example.org:7000 --target unix:/run/app.sock --token-file token.txt --min 32 --max 256
  $ poold client --server example.org:7000 --target 3000,3001 --target-check http:/healthz --token-file token.txt
  $ poold client --server example.org:7000 --flow forward --local 127.0.0.1:5432 --token-file token.txt
  $ poold client --server example.org:7000 --protocol udp --target 10.0.0.5:53 --token-file token.txt

Every flag can be set in the environment: --keep-alive 10s is POOLD_KEEP_ALIVE=10s.`;

const BALANCE_EXAMPLES = `
Examples:
  $ poold balance --listen 127.0.0.1:8080 --server 127.0.0.1:3000 --server 127.0.0.1:3001
  $ poold balance --listen 0.0.0.0:80 --server 10.0.0.5:3000,10.0.0.6:3000 --health-path /healthz --admin 9090
  $ poold balance -c lb.yaml

Every flag can be set in the environment: --timeout 10s is POOLD_TIMEOUT=10s.`;

const CHECK_EXAMPLES = `
Examples:
  $ poold check poold.yaml
  $ poold check poold.yaml --print
  $ poold check poold.yaml --print --max-visitors 100`;

const CERT_EXAMPLES = `
Examples:
  $ poold cert --out certs --host tunnel.example.com --host 10.0.0.1
  $ poold cert --out certs --client laptop --client phone
  $ poold cert --out certs --host tunnel.example.com --force

The first makes an authority, a server and a client; the second, with the same authority, two more clients; the third
renews the server. Keys are files that you alone can read.`;

/**
 * Runs a command line.
 *
 * @param argv as `process.argv` has it
 * @returns the exit code; what went wrong has been said on stderr
 */
export async function main(argv: readonly string[]): Promise<ExitCode> {
  let code: ExitCode = ExitCode.clean;
  // Whoever reads the output may stop early, as `head` does.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  const program = new Command('poold')
    .description('Exposes a service behind NAT through a pool of connections that are ready before anyone asks.')
    .version(packageVersion(), '-V, --version')
    .configureHelp(HELP)
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(withoutValue(text)) })
    .addHelpText(
      'after',
      '\nBegin with `poold demo`. `poold server --help` lists the flags of a command, with examples.',
    )
    .showHelpAfterError('(--help lists the flags)');
  const server = program
    .command('server')
    .description('takes visitors, and hands them connections that clients keep ready')
    .addHelpText('after', SERVER_EXAMPLES)
    .action(async (_options, command: Command) => {
      const again = (): Promise<ServerPlan> => serverPlan(command);
      const place = workerPlace();
      if (place !== undefined) {
        const { runWorker } = await import('./workers/worker.ts');
        code = await runWorker(again, place);
        return;
      }
      const plan = await again();
      if (plan.secretTyped) process.title = 'poold server';
      const adminAt = adminSettings(plan.command);
      if (plan.settings.workers > 1) {
        const { runPrimary } = await import('./workers/primary.ts');
        code = await runPrimary(plan, again, adminAt);
      } else {
        const { runServer } = await import('./run-server.ts');
        code = await withAdmin(adminAt, 'server', (admin) => runServer(plan, again, admin));
      }
    });
  addFlags(server, COMMAND_ROWS.server);
  const client = program
    .command('client')
    .description('keeps connections to a server ready, and connects visitors to the target')
    .addHelpText('after', CLIENT_EXAMPLES)
    .action(async (_options, command: Command) => {
      const plan = await clientPlan(command);
      if (plan.secretTyped) process.title = 'poold client';
      const again = (): Promise<ClientPlan> => clientPlan(command);
      const { runClient } = await import('./run-client.ts');
      code = await withAdmin(adminSettings(plan.command), 'client', (admin) => runClient(plan, again, admin));
    });
  addFlags(client, COMMAND_ROWS.client);
  const balance = program
    .command('balance')
    .description('spreads HTTP requests over servers, on connections that are kept')
    .addHelpText('after', BALANCE_EXAMPLES)
    .action(async (_options, command: Command) => {
      const { balancePlan } = await import('./balance/balance-plan.ts');
      const plan = balancePlan(command);
      const { runBalance } = await import('./balance/run-balance.ts');
      const adminAt = adminSettings(plan.command);
      code = await withAdmin(adminAt, 'balance', (admin) => runBalance(plan, () => balancePlan(command), admin));
    });
  addFlags(balance, COMMAND_ROWS.balance);
  program
    .command('token')
    .description('prints a good token')
    .action(async () => {
      const { makeToken } = await import('./token.ts');
      console.log(makeToken());
    });
  program
    .command('check')
    .description('checks a configuration file, and prints what would hold; flags of its command may follow')
    .argument('<file>', 'the file of a server, a client or a balancer')
    .option('--print', 'print each option, and where its value is from: flag, environment, file or default')
    .allowUnknownOption()
    .allowExcessArguments()
    .addHelpText('after', CHECK_EXAMPLES)
    .action(async (path: string, { print }: { print?: true }, check: Command) => {
      const { checkFile } = await import('./check.ts');
      const text = await checkFile(path, (side) => typed(program, side, ['--config', path, ...check.args.slice(1)]));
      console.log(print === true ? text.trimEnd() : `${path} is good`);
    });
  const cert = program
    .command('cert')
    .description('makes certificates for a private pair: an authority, the server, its clients')
    .addHelpText('after', CERT_EXAMPLES)
    .action(async (settings: CertSettings) => {
      const { runCert } = await import('./cert.ts');
      await runCert(settings);
    });
  addFlags(cert, [CERT_FLAGS], [CERT_FLAGS.out]);
  program
    .command('demo')
    .description('runs server, client and a small web page on this machine')
    .addOption(toOption({ ...DEMO_PORT }))
    .action(async ({ port }: { port?: number }) => {
      const { runDemo } = await import('./demo.ts');
      code = await runDemo({ port: port ?? 0 });
    });
  addStatusCommand(program, (ended) => (code = ended));
  addCompletionCommand(program);
  addManCommand(program);
  try {
    await program.parseAsync(argv);
    return code;
  } catch (error) {
    return report(error);
  }
}

/** A command as it would have been typed. */
function typed(program: Command, side: Side, args: readonly string[]): Command {
  const command = program.createCommand(side).copyInheritedSettings(program);
  addFlags(command, COMMAND_ROWS[side]);
  return command.parse(args, { from: 'user' });
}

const DEMO_PORT: Flag = {
  flags: '--port <n>',
  help: 'the port of the page',
  default: 'a free one',
  parse: (text) => {
    const port = Number(text);
    if (!/^\d+$/.test(text) || port > 65_535) throw new RangeError(`"${text}" is not a port`);
    return port;
  },
};

function addFlags(command: Command, tables: readonly Rows[], required: readonly Flag[] = []): void {
  for (const { heading, flags } of groupFlags(tables)) {
    for (const flag of flags) {
      command.addOption(toOption(flag).helpGroup(heading).makeOptionMandatory(required.includes(flag)));
    }
  }
}

/** The text of an error without the value of an unknown flag, which may be a secret: a misspelt `--token=…`. */
function withoutValue(text: string): string {
  return text.replace(/(unknown option '[^'=]+)=.*'/s, "$1'");
}

/** Says what went wrong, in one line, and which exit code that is. */
function report(error: unknown): ExitCode {
  if (error instanceof CommanderError) {
    // commander has said it already; asking for help is no error.
    return error.exitCode === 0 ? ExitCode.clean : ExitCode.usage;
  }
  console.error(`poold: ${reasonOf(error)}`);
  if (error instanceof ConfigError) return ExitCode.usage;
  // What is not ours is a fault of ours: then the stack matters.
  if (!(error instanceof PooldError)) console.error(error);
  return ExitCode.failed;
}
