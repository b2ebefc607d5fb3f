/** A visit as its relay sees it where the tunnel's bandwidth is limited. It stands between the two, in both directions. */
import type { RelayHandler, RelayVisit } from '../relay/relay.ts';
import type { Visit } from '../session/visit.ts';
import type { BandwidthGate } from './bandwidth-gate.ts';
import { Lane } from './lane.ts';

export class ThrottledVisit implements RelayVisit, RelayHandler {
  readonly #visit: Visit;
  readonly #out: Lane | undefined;
  readonly #in: Lane | undefined;
  #handler: RelayHandler | undefined;
  /** The visit takes more; the relay does; the other side has ended. */
  #flowing = true;
  #wanted = true;
  #gotEnd = false;

  /**
   * @param out the limit of what is written to the visit; undefined without one
   * @param into the limit of what comes from it
   */
  constructor(visit: Visit, out: BandwidthGate | undefined, into: BandwidthGate | undefined) {
    this.#visit = visit;
    if (out !== undefined) {
      this.#out = new Lane(out, {
        onPiece: (piece) => (this.#flowing = visit.write(piece)),
        onEmpty: () => this.#drained(),
        onEnd: () => visit.end(),
      });
    }
    if (into !== undefined) {
      this.#in = new Lane(into, {
        onPiece: (piece) => this.#handler?.onData(piece),
        onEmpty: () => this.#read(),
        onEnd: () => this.#handler?.onEnd(),
      });
    }
  }

  get client(): string {
    return this.#visit.client;
  }

  get bytesIn(): number {
    return this.#visit.bytesIn;
  }

  /** With what waits: whoever wrote it is rid of it. */
  get bytesOut(): number {
    return this.#visit.bytesOut + this.#waitingOut;
  }

  get unsent(): number | undefined {
    const { unsent } = this.#visit;
    return unsent === undefined ? undefined : unsent + this.#waitingOut;
  }

  get unwritten(): number | undefined {
    const unwritten = this.#handler?.unwritten;
    return unwritten === undefined ? undefined : unwritten + this.#waitingIn;
  }

  get throttled(): boolean {
    return this.#waitingOut > 0 || this.#waitingIn > 0;
  }

  set handler(handler: RelayHandler) {
    this.#handler = handler;
    this.#visit.handler = this;
  }

  takeBack(): { readonly chunks: readonly Buffer[] } {
    const waiting = this.#out?.take() ?? [];
    return { chunks: [...this.#visit.takeBack().chunks, ...waiting] };
  }

  write(chunk: Buffer): boolean {
    if (this.#out === undefined) return this.#visit.write(chunk);
    return this.#out.push(chunk) && this.#flowing;
  }

  end(): void {
    if (this.#out === undefined) this.#visit.end();
    else this.#out.end();
  }

  reset(code: number, message?: string): void {
    this.#drop();
    this.#visit.reset(code, message);
  }

  pause(): void {
    this.#wanted = false;
    this.#hold();
  }

  resume(): void {
    this.#wanted = true;
    if (this.#waitingIn === 0) this.#visit.resume();
  }

  onOpened(): void {
    this.#handler?.onOpened();
  }

  onData(piece: Buffer): void {
    if (this.#in === undefined) this.#handler?.onData(piece);
    else if (!this.#in.push(piece)) this.#hold();
  }

  onEnd(): void {
    this.#gotEnd = true;
    if (this.#in === undefined) this.#handler?.onEnd();
    else this.#in.end();
  }

  onReset(error: Error): void {
    // The relay may take back what waits, to go on with another visit.
    this.#handler?.onReset(error);
    this.#drop();
  }

  onDrain(): void {
    this.#flowing = true;
    this.#drained();
  }

  get #waitingOut(): number {
    return this.#out?.bytes ?? 0;
  }

  get #waitingIn(): number {
    return this.#in?.bytes ?? 0;
  }

  /** Behind the end nothing comes that would have to be stopped, and the connection is to hear the next visit. */
  #hold(): void {
    if (!this.#gotEnd) this.#visit.pause();
  }

  #read(): void {
    if (this.#wanted) this.#visit.resume();
  }

  #drained(): void {
    if (this.#flowing && this.#waitingOut === 0) this.#handler?.onDrain();
  }

  #drop(): void {
    this.#out?.take();
    this.#in?.take();
  }
}
