/** The flags about datagrams, which both commands have. */
import type { DatagramOptions } from '../shared/tunnel/datagram-options.ts';
import { count, duration, type Table } from './flags.ts';

export const DATAGRAM_FLAGS = {
  protocol: {
    flags: '--protocol <protocol>',
    help: 'what visitors and the target speak, the same on both sides: tcp or udp',
    default: 'tcp',
    choices: ['tcp', 'udp'],
  },
  flowIdleTimeoutMs: {
    flags: '--flow-idle-timeout <duration>',
    help: 'with --protocol udp: an address that is silent for so long, and is sent nothing, is forgotten',
    default: '60s',
    parse: duration,
  },
  maxFlows: {
    flags: '--max-flows <n>',
    help: 'with --protocol udp: the most visitor addresses at once; at the limit the one that is silent for longest goes',
    default: '4096',
    parse: count,
  },
  maxFlowsPerAddress: {
    flags: '--max-flows-per-address <n>',
    help: 'with --protocol udp, where visitors come in: the most ports of one host at once',
    default: '256',
    parse: count,
  },
} as const satisfies Table<DatagramOptions>;
