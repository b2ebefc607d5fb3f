/** What a client says it is, for people who read the server's log. */
export const AGENT = 'poold/0.1.0';
