/** The manual page, poold(1): commands and flags from the command line's own tables. */
import { ExitCode } from '../exit-codes.ts';
import { OTHER } from '../help-groups.ts';
import type { CommandOutline, OptionOutline, ProgramOutline } from '../outline.ts';
import { bold, escaped, example, item, paragraph, prose, section, subsection, term } from './roff.ts';

const DESCRIPTION = [
  'poold is a pair. The client stands beside a service, usually behind NAT, and keeps connections to the server dialled, ' +
    'encrypted, authenticated and idle. A visitor who reaches the server is handed one of them at once; the client ' +
    'connects it to the service, and afterwards the connection waits for the next visitor. With --flow forward visitors ' +
    'come in beside the client, and the service is at the server.',
  'Durations are written 250ms, 30s, 5m or 1h. Addresses are host:port, with IPv6 addresses in brackets, or unix:/path ' +
    'where a target or a server may be a unix socket. Lists are separated by commas, or by repeating the flag.',
];

const ENVIRONMENT =
  'Every flag of a command can be set in the environment by its name in capitals, with POOLD_ in front: ' +
  '--keep-alive 10s is POOLD_KEEP_ALIVE=10s. A flag on the command line wins. Beside them:';

const VARIABLES: readonly (readonly [name: string, text: string])[] = [
  [
    'POOLD_TOKEN',
    'the secret, where no file can hold it (--token-file is better); unlike --token no other user sees it',
  ],
  ['POOLD_PROXY', "the client's proxy with its user and password, which other users do not see here"],
  ['NODE_EXTRA_CA_CERTS', 'a PEM file of authorities that Node.js is to trust besides its own'],
];

const FILES: readonly (readonly [name: string, text: string])[] = [
  [
    'token file (--token-file)',
    'one secret a line, readable by its owner alone. The server takes all of them, the client proves the first; this is ' +
      'how a secret is replaced without an outage',
  ],
  [
    'lists (--allow, --visitor-allow, --visitor-deny @file)',
    'an address or CIDR a line; what follows a # is a comment',
  ],
  ['certificates (--cert, --key, --ca, --client-ca)', 'PEM; poold cert makes a set of them for a private pair'],
  [
    '/etc/poold/server.env, /etc/poold/client.env, /etc/poold/token',
    "variables and secret for the systemd units in the package's folder packaging/systemd",
  ],
];

const SIGNALS: readonly (readonly [name: string, text: string])[] = [
  ['SIGTERM, SIGINT', 'no new visitors; visits may end within --grace-period. A second one ends the process at once'],
  [
    'SIGHUP',
    'reads the files again that flags name: tokens, certificates, lists. Who is in stays; what is wrong changes nothing ' +
      'and is logged',
  ],
];

const EXITS: Readonly<Record<keyof typeof ExitCode, string>> = {
  clean: 'ended as it was asked to',
  failed: 'failed while running',
  usage: 'wrong flags, or files that cannot be used',
  refused: 'the server refuses this client: token, certificate, tunnel or version',
  givenUp: 'given up reconnecting, as --max-retry-count or --exit-on-loss ask for',
};

const SEE_ALSO =
  "The package's folder docs: operations.md (metrics, health, status, dashboard, systemd, containers), security.md, " +
  'reliability.md, performance.md, protocol.md, architecture.md. README.md has a first pair step by step.';

/**
 * @param version of the package
 * @param examples of each command, by its name
 */
export function manPage(
  program: ProgramOutline,
  version: string,
  examples: ReadonlyMap<string, readonly string[]>,
): string {
  const { name, help, commands } = program;
  const shown = commands.filter((command) => command.name !== 'help');
  const items = (rows: readonly (readonly [string, string])[]): string =>
    rows.map(([row, text]) => item(bold(row), text)).join('');
  return [
    `.\\" made by: ${name} man\n.TH ${name.toUpperCase()} 1 "" "${name} ${version}" "User Commands"\n`,
    section('Name', `${name} \\- ${prose(lowered(help))}\n`),
    section('Synopsis', shown.map((command) => `${bold(name)} ${term(command.usage)}\n`).join('.br\n')),
    section('Description', ...DESCRIPTION.map(paragraph)),
    section('Commands', ...shown.map((command) => commandPart(name, command))),
    section('Environment', paragraph(ENVIRONMENT), items(VARIABLES)),
    section('Files', items(FILES)),
    section('Signals', items(SIGNALS)),
    section(
      'Exit status',
      ...Object.entries(EXITS).map(([key, text]) => item(bold(`${ExitCode[key as keyof typeof ExitCode]}`), text)),
    ),
    section('Examples', ...[...examples.values()].map((lines) => example(lines))),
    section('See also', paragraph(SEE_ALSO)),
  ].join('');
}

function commandPart(program: string, { name, help, options, choices }: CommandOutline): string {
  // The help's own flag is the same everywhere.
  const flags = options.filter(({ long }) => long !== '--help');
  const list = choices.length === 0 ? '' : ` One of: ${choices.join(', ')}.`;
  return subsection(
    `${program} ${name}`,
    paragraph(`${raised(help)}.${list}`),
    // They are in the order of their headings.
    ...flags.map((flag, at) => headingPart(flag, flags[at - 1]) + flagItem(flag)),
  );
}

/** The heading, where another one begins. */
function headingPart({ heading }: OptionOutline, before: OptionOutline | undefined): string {
  if (heading === undefined || heading === OTHER || heading === before?.heading) return '';
  return `.PP\n.I ${escaped(heading)}\n`;
}

function flagItem(option: OptionOutline): string {
  return item(term(option.term), option.help);
}

/** As a sentence begins. */
function raised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** As the line after the name has it: no capital, no full stop. */
function lowered(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1).replace(/\.$/, '');
}
