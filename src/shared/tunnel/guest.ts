/** Tunnels at a public listener, and whose the hosts are. */
import type { Socket } from 'node:net';
import { HostTable, readHosts } from '../net/host-table.ts';
import type { ProxyEnds } from '../net/proxy-header.ts';

/** A tunnel as the listener knows it. */
export interface Guest {
  readonly tunnel: object;
  /** As `readHosts` makes them; the listener alone sets them while the tunnel is there. */
  hosts: readonly string[];
  /** Whether its rules let that address in. */
  allows(ip: string): boolean;
  /** Takes a visitor as it was accepted: nothing is judged, and nobody has read from it. */
  arrive(socket: Socket): void;
  /** Takes one that was read; what is behind a proxy's header is to be read again. `ends` are those of the header. */
  arriveRead(socket: Socket, ends: ProxyEnds | undefined): void;
}

/** Finds the tunnel of a host. @throws InvalidOptionError for `hosts` that two of them have */
export function tableOf(guests: Iterable<Guest>): HostTable<Guest> {
  return new HostTable([...guests].map((guest) => [guest, guest.hosts]));
}

/**
 * Checks the hosts of tunnels that are to share an address, before any of them is made: by tunnel, none for all that match
 * nobody.
 *
 * @throws InvalidOptionError for `hosts` that are no names, or that one before has
 */
export function checkHosts(tunnels: Iterable<readonly string[]>): void {
  void new HostTable([...tunnels].map((hosts) => [undefined, readHosts('hosts', hosts)]));
}
