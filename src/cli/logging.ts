import type { Logger } from 'pino';

export type { Logger } from 'pino';

/** How to log; the format left open depends on whether stderr is a terminal. */
export interface LogOptions {
  readonly logLevel: string;
  readonly logFormat: 'pretty' | 'json' | undefined;
}

/**
 * A logger to stderr. Written at once: what was logged last before an end is what one wants to read.
 *
 * @param heard gets each line from info level up, as JSON, whatever stderr gets
 */
export async function makeLogger({ logLevel, logFormat }: LogOptions, heard?: (line: string) => void): Promise<Logger> {
  // Imported late: `--help` and `poold token` do without.
  const { pino } = await import('pino');
  const format = logFormat ?? (process.stderr.isTTY ? 'pretty' : 'json');
  const stream = format === 'json' ? pino.destination({ dest: 2, sync: true }) : await prettyStream();
  if (heard === undefined) return pino({ level: logLevel, base: null }, stream);
  const streams = [
    { level: logLevel as 'info', stream },
    { level: 'info' as const, stream: { write: heard } },
  ];
  // The stream that wants most decides what is made at all.
  const level = (pino.levels.values[logLevel] ?? Infinity) < (pino.levels.values['info'] as number) ? logLevel : 'info';
  return pino({ level, base: null }, pino.multistream(streams));
}

async function prettyStream() {
  const { default: pretty } = await import('pino-pretty');
  return pretty({ destination: 2, sync: true, colorize: process.stderr.isTTY, translateTime: 'HH:MM:ss.l' });
}
