import type { Carrier } from './carrier.ts';
import { Flow } from './flow.ts';
import type { VisitorAddress } from './visitor-addresses.ts';

/** The datagrams of one visitor address, where visitors come in. */
export class VisitorFlow extends Flow<VisitorFlow> {
  /** Where answers go, as the system has it. */
  readonly host: string;
  readonly port: number;
  /** Its place at the gate. */
  readonly place: VisitorAddress;
  /** What carries it; undefined until there is a connection, and when that was lost. */
  carrier: Carrier | undefined;
  /** Its number there. */
  number = 0;

  constructor(host: string, port: number, remote: string, now: number, place: VisitorAddress) {
    super(remote, now);
    this.host = host;
    this.port = port;
    this.place = place;
  }
}
