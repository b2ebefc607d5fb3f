import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Gives Node 20 the `ArrayBuffer.prototype.transfer` of later versions, for tests of what is done with it. */
export function giveTransfer(): void {
  if ('transfer' in ArrayBuffer.prototype) return;
  setFlagsFromString('--harmony-rab-gsab-transfer');
  const transfer: unknown = runInNewContext('ArrayBuffer.prototype.transfer');
  // oxlint-disable-next-line no-extend-native -- what the language itself has in the meantime
  Object.defineProperty(ArrayBuffer.prototype, 'transfer', { value: transfer, configurable: true });
}
