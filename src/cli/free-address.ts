import { bindDatagrams } from '../shared/tunnel/datagram-socket.ts';
import { VisitorListener } from '../shared/tunnel/visitor-listener.ts';
import type { Entrance } from './plan-diff.ts';

/**
 * Looks whether one could listen at all of these: before anything has changed, while it can still be left alone.
 *
 * @throws DialError for the first address where one cannot
 */
export async function checkFree(entrances: readonly Entrance[]): Promise<void> {
  const held: { close(): unknown }[] = [];
  try {
    for (const { address, protocol } of entrances) {
      if (protocol === 'udp') {
        held.push(await bindDatagrams(address, false));
        continue;
      }
      const listener = new VisitorListener(
        address,
        false,
        (socket) => socket.destroy(),
        () => {},
      );
      await listener.start();
      held.push(listener);
    }
  } finally {
    // Together at the end: two of them may be in each other's way.
    for (const one of held) one.close();
  }
}
