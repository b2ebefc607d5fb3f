/** The flags about targets, which both commands have: one or the other has the targets, by the flow. */
import type { TargetsOptions } from '../shared/tunnel/tunnel-options.ts';
import { count, duration, type Table } from './flags.ts';

function checkKind(text: string): TargetsOptions['check'] {
  if (text === 'off' || text === 'tcp') return text;
  const path = /^http:(\/(?!\/).*)$/.exec(text)?.[1];
  if (path === undefined) throw new RangeError(`"${text}" is neither off, tcp nor http:/path`);
  return { http: path };
}

export const TARGETS_FLAGS = {
  strategy: {
    flags: '--target-strategy <name>',
    help: 'which of several targets gets the next visit: each in turn, the one with least visits, or the first that is up',
    default: 'round-robin',
    choices: ['round-robin', 'least-in-use', 'failover'],
  },
  check: {
    flags: '--target-check <kind>',
    help: 'how targets are checked: off; tcp: by a connect; http:/path: by a GET that wants 2xx or 3xx',
    default: 'off for one target, tcp for several',
    parse: checkKind,
  },
  checkIntervalMs: {
    flags: '--target-check-interval <duration>',
    help: 'from one check to the next; up to a fifth less',
    default: '10s',
    parse: duration,
  },
  checkTimeoutMs: {
    flags: '--target-check-timeout <duration>',
    help: 'how long a check may take',
    default: '2s',
    parse: duration,
  },
  rise: {
    flags: '--target-check-rise <n>',
    help: 'checks in a row that must pass for a target that is down to be up again',
    default: '2',
    parse: count,
  },
  fall: {
    flags: '--target-check-fall <n>',
    help: 'checks in a row that must fail for a target to be down; a failed connect counts as one',
    default: '3',
    parse: count,
  },
  warm: {
    flags: '--target-warm <n>',
    help: 'connections to each target that are kept ready, each for one visit',
    default: '0',
    parse: count,
  },
  warmIdleMs: null,
  proxy: {
    flags: '--target-proxy <version>',
    help: "the PROXY header, which names a visitor's address, that targets are sent before its bytes: off, v1 (text), v2",
    default: 'off',
    choices: ['off', 'v1', 'v2'],
  },
} as const satisfies Table<TargetsOptions>;
