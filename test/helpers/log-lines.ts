import type { Logger } from '../../src/cli/logging.ts';

/** A logger that keeps its lines: `warn the message`, with how many like it were left out. */
export function logLines(): { readonly log: Logger; readonly lines: string[] } {
  const lines: string[] = [];
  const at =
    (level: string) =>
    ({ leftOut = 0 }: { leftOut?: number }, message: string): void =>
      void lines.push(`${level} ${message}${leftOut === 0 ? '' : ` (${leftOut} left out)`}`);
  const log = {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => log,
    isLevelEnabled: () => true,
  };
  return { log: log as unknown as Logger, lines };
}
