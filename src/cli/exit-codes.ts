/** How the process ends, for service managers. */
export const ExitCode = {
  clean: 0,
  /** It ran, and failed. */
  failed: 1,
  /** Wrong flags, or files that cannot be used. */
  usage: 2,
  /** The server refuses this client: token, certificate, tunnel or version. */
  refused: 3,
  /** Given up reconnecting, as --max-retry-count or --exit-on-loss ask for. */
  givenUp: 4,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];
