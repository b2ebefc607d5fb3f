/** The flags of `poold cert`. */
import type { Flag } from './flag.ts';
import { count, yesOrNo } from './flags.ts';

/** Longer than that nobody keeps a key. */
const MAX_DAYS = 3650;

/** What `poold cert` is to make. */
export interface CertSettings {
  /** The folder. */
  readonly out: string;
  /** The server's names and addresses; none: no certificate for the server is made. */
  readonly host?: readonly string[];
  /** The clients' names. */
  readonly client?: readonly string[];
  readonly days?: number;
  /** Whether files that are there are replaced; those of the authority never are. */
  readonly force?: boolean;
}

export const CERT_FLAGS = {
  out: { flags: '--out <folder>', help: 'where the files go; an authority that is there already signs again' },
  host: {
    flags: '--host <name>',
    help: 'a host name or IP address by which clients reach the server; for several repeat it, or separate them by commas',
    repeatable: true,
  },
  client: {
    flags: '--client <name>',
    help: 'a name for a client, and its file; may be repeated',
    default: '"client" with a new authority, else none',
    repeatable: true,
  },
  days: {
    flags: '--days <n>',
    help: 'how long the certificates are good for; the authority is for ten years',
    default: '825',
    parse: (text) => {
      const days = count(text);
      if (days < 1 || days > MAX_DAYS) throw new RangeError(`"${text}" is not a number from 1 to ${MAX_DAYS}`);
      return days;
    },
  },
  force: {
    flags: '--force [yes|no]',
    help: 'replace certificates that are there; never the authority',
    default: 'no',
    alone: 'yes',
    parse: yesOrNo,
  },
} as const satisfies { readonly [K in keyof Required<CertSettings>]: Flag };
