/** `poold status`: what `/status` of a running command says, as a table. */
import type { Command } from 'commander';
import { reasonOf, StatusError } from '../../shared/errors.ts';
import { formatAddress, type HostAddress } from '../../shared/net/address.ts';
import type { StatusReport } from '../admin/report.ts';
import { ADMIN_FLAGS, adminTokens } from '../admin-flags.ts';
import { ExitCode } from '../exit-codes.ts';
import { type Flag, nameOf, toOption, valueOf } from '../flag.ts';
import { statusText } from './status-text.ts';

/** Where a command's admin address is looked for. */
const DEFAULT_ADMIN: HostAddress = { host: '127.0.0.1', port: 9090 };

/** From one look to the next with --watch, ms; how long an answer may take. */
const WATCH_MS = 1000;
const TIMEOUT_MS = 5000;

const FLAGS = {
  admin: { ...ADMIN_FLAGS.admin, help: 'the admin address to ask', default: formatAddress(DEFAULT_ADMIN) },
  token: { ...ADMIN_FLAGS.adminTokenFile, help: 'a file with the secret that it asks for' },
} as const satisfies Record<string, Flag>;

interface Ask {
  readonly address: HostAddress;
  readonly token: string | undefined;
}

/** @param ended hears the exit code */
export function addStatusCommand(program: Command, ended: (code: ExitCode) => void): void {
  program
    .command('status')
    .description('shows how a running server, client or balancer is, from its admin address (--admin)')
    .addOption(toOption(FLAGS.admin))
    .addOption(toOption(FLAGS.token))
    .option('--watch', 'look again each second, until Ctrl+C')
    .option('--json', 'print what /status says, one line each time')
    .action(async (options: { watch?: true; json?: true }, command: Command) => {
      const address = (valueOf(FLAGS.admin, command) as HostAddress | undefined) ?? DEFAULT_ADMIN;
      const file = valueOf(FLAGS.token, command) as string | undefined;
      const [token] = adminTokens(file, nameOf(FLAGS.token, command)).tokens;
      if (options.watch === true) await watch({ address, token }, options.json === true);
      else print(await ask({ address, token }), undefined, options.json === true);
      ended(ExitCode.clean);
    });
}

/** @throws StatusError */
async function ask({ address, token }: Ask, stopped?: AbortSignal): Promise<StatusReport> {
  const where = formatAddress(address);
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const signal = AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), ...(stopped === undefined ? [] : [stopped])]);
  let response: Response;
  let text: string;
  try {
    response = await fetch(`http://${where}/status`, { headers, signal });
    text = await response.text();
  } catch (cause) {
    const why = reasonOf(cause instanceof Error && cause.cause !== undefined ? cause.cause : cause);
    const hint = `start \`poold server\` or \`poold client\` with --admin ${where}, or name its address with --admin`;
    throw new StatusError(`nobody answers at ${where} (${why}); ${hint}`, { cause });
  }
  const report = response.ok ? readReport(text) : undefined;
  if (report !== undefined) return report;
  throw new StatusError(`${where} does not tell its status (${response.status}): ${text.slice(0, 200).trim()}`);
}

function readReport(text: string): StatusReport | undefined {
  try {
    const report = JSON.parse(text) as Partial<StatusReport> | null;
    return report?.version === 1 ? (report as StatusReport) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Until SIGINT or SIGTERM, or until nobody reads it any more. The first answer must come; when a later one does not, that
 * is shown, and asked for again.
 */
async function watch(source: Ask, json: boolean): Promise<void> {
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  process.on('SIGINT', stop).on('SIGTERM', stop);
  process.stdout.on('error', stop);
  let before: StatusReport | undefined;
  let report: StatusReport | undefined = await ask(source);
  if (!json && process.stdout.isTTY) process.stdout.write('\u001B[2J');
  while (!stopping.signal.aborted) {
    if (report !== undefined) print(report, before, json, true);
    before = report;
    await pause(stopping.signal);
    try {
      report = await ask(source, stopping.signal);
    } catch (error) {
      report = undefined;
      // The table stays above it, as old as it is.
      if (!stopping.signal.aborted) console.error(`poold: ${reasonOf(error)}`);
    }
  }
  process.off('SIGINT', stop).off('SIGTERM', stop);
}

function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, WATCH_MS);
    signal.addEventListener('abort', end);
  });
}

/** On a terminal a watched table takes the place of the one before. */
function print(report: StatusReport, before: StatusReport | undefined, json: boolean, again = false): void {
  if (json) return console.log(JSON.stringify(report));
  const text = statusText(report, before);
  if (again && process.stdout.isTTY) process.stdout.write(`\u001B[H${text.replaceAll('\n', '\u001B[K\n')}\u001B[J`);
  else process.stdout.write(text);
}
