/** A pair of commands: their flags, and visitors of theirs. */
import { connect, type Socket } from 'node:net';
import { ask } from './pair.ts';
import { freePort } from './targets.ts';

export interface Ports {
  readonly listen: number;
  readonly visitors: number;
}

/** Free ports of this machine. */
export async function ports(): Promise<Ports> {
  return { listen: await freePort(), visitors: await freePort() };
}

export const serverArgs = ({ listen, visitors }: Ports, file: string, ...more: string[]): string[] => [
  ...['server', '--listen', `127.0.0.1:${listen}`, '--public', `127.0.0.1:${visitors}`],
  ...['--token-file', file, ...more],
];
export const clientArgs = ({ listen }: Ports, target: number, file: string, ...more: string[]): string[] => [
  ...['client', '--server', `127.0.0.1:${listen}`, '--target', `${target}`],
  ...['--token-file', file, '--min', '4', ...more],
];

/** Between two tries: what comes up needs the processor, too, ms. */
const PAUSE_MS = 20;

/** A visitor of a tunnel that may still be coming up: tries until it is answered, for as long as a busy machine may take. */
export async function askSoon(port: number, message: string): Promise<string> {
  const deadline = performance.now() + 45_000;
  for (;;) {
    const socket: Socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    try {
      const answer = await ask(socket, message);
      if (answer === message) return answer;
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    socket.destroy();
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
