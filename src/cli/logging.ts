import type { Logger } from 'pino';

export type { Logger } from 'pino';

/** How to log; the format left open depends on whether stderr is a terminal. */
export interface LogOptions {
  readonly logLevel: string;
  readonly logFormat: 'pretty' | 'json' | undefined;
}

/** A logger to stderr. Written at once: what was logged last before an end is what one wants to read. */
export async function makeLogger({ logLevel, logFormat }: LogOptions): Promise<Logger> {
  // Imported late: `--help` and `poold token` do without.
  const { pino } = await import('pino');
  const options = { level: logLevel, base: null };
  const format = logFormat ?? (process.stderr.isTTY ? 'pretty' : 'json');
  if (format === 'json') return pino(options, pino.destination({ dest: 2, sync: true }));
  const { default: pretty } = await import('pino-pretty');
  return pino(
    options,
    pretty({ destination: 2, sync: true, colorize: process.stderr.isTTY, translateTime: 'HH:MM:ss.l' }),
  );
}
