import { bindDatagrams } from '../shared/tunnel/datagram-socket.ts';
import { VisitorListener } from '../shared/tunnel/visitor-listener.ts';
import type { Entrance } from './plan-diff.ts';

/**
 * Looks whether one could listen there: before anything has changed, while it can still be left alone.
 *
 * @throws DialError for the first address where one cannot
 */
export async function checkFree(entrances: readonly Entrance[]): Promise<void> {
  for (const { address, protocol } of entrances) {
    if (protocol === 'udp') {
      (await bindDatagrams(address, false)).close();
      continue;
    }
    const listener = new VisitorListener(
      address,
      false,
      (socket) => socket.destroy(),
      () => {},
    );
    await listener.start();
    listener.close();
  }
}
