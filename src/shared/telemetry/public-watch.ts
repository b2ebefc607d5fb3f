import { formatAddress } from '../net/address.ts';
import type { PublicListener } from '../tunnel/public-listener.ts';
import type { PublicSnapshot } from './snapshot.ts';

/** The numbers of an address that several tunnels share. @param listen its name while it is shut, too */
export function publicSnapshot(listen: string, listener: PublicListener): PublicSnapshot {
  const { reading, refused } = listener.stats();
  const { address } = listener;
  const counts = Object.entries(refused).filter(([, count]) => count > 0);
  return {
    listen: address === undefined ? listen : formatAddress(address),
    reading,
    refused: Object.fromEntries(counts),
  };
}
