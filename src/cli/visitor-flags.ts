/** The flags about visitors, which both commands have: they come in at one or the other, by the flow. */
import type { VisitorsOptions } from '../shared/tunnel/visitor-rules.ts';
import { count, type Table } from './flags.ts';

export const VISITORS_FLAGS = {
  allow: {
    flags: '--visitor-allow <address>',
    help:
      'visitors from this address or CIDR may come in; for several repeat it, separate them by commas, or name a file ' +
      'with one a line, which SIGHUP reads again: @allow.txt',
    default: 'everyone',
    repeatable: true,
    fromFiles: 'some',
  },
  deny: {
    flags: '--visitor-deny <address>',
    help: 'visitors from this address or CIDR may not, even where --visitor-allow names them; repeatable likewise',
    default: 'nobody',
    repeatable: true,
    fromFiles: 'any',
  },
  maxVisitors: {
    flags: '--max-visitors <n>',
    help: 'the most visitors at a time, in each process',
    default: '4096',
    parse: count,
  },
  maxVisitorsPerAddress: {
    flags: '--max-visitors-per-address <n>',
    help: 'the most visitors at a time from one address (IPv6: from one /64)',
    default: '1024',
    parse: count,
  },
  visitorRate: {
    flags: '--visitor-rate <n>',
    help: 'new visitors (with --protocol udp, flows) from one address, each second, in each process; 0 does not limit them',
    default: '0',
    parse: count,
  },
  visitorBurst: {
    flags: '--visitor-burst <n>',
    help: 'new visitors of one address who may come at once before --visitor-rate holds',
    default: 'those of a second',
    parse: count,
  },
} as const satisfies Table<VisitorsOptions>;
