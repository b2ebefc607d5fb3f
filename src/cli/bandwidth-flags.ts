/** The flags about bandwidth, which both commands have: each side may have limits of its own. */
import type { BandwidthOptions } from '../shared/tunnel/bandwidth.ts';
import { parseRate } from '../shared/units.ts';
import type { Table } from './flags.ts';

const rate = (text: string): number => parseRate(text);

export const BANDWIDTH_FLAGS = {
  upload: {
    flags: '--upload-limit <rate>',
    help: 'what all visits together may move from visitors to the target, in each process: 10MB/s, 512KiB/s; 0 without limit',
    default: '0',
    parse: rate,
  },
  download: {
    flags: '--download-limit <rate>',
    help: 'the same from the target to visitors',
    default: '0',
    parse: rate,
  },
} as const satisfies Table<BandwidthOptions>;
