import { getEventListeners } from 'node:events';
import test from 'ava';
import { offAbort, onAbort } from '../../src/shared/abort.ts';

/** A signal, and who has heard that it aborted. */
function signalAndEars(names: readonly string[]) {
  const controller = new AbortController();
  const { signal } = controller;
  const heard: string[] = [];
  const ears = names.map((name) => (): void => void heard.push(name));
  for (const ear of ears) onAbort(signal, ear);
  return { controller, signal, heard, ears, listeners: () => getEventListeners(signal, 'abort').length };
}

test('however many wait for a signal, it has one listener, and none when the last has left', (t) => {
  const { controller, signal, heard, ears, listeners } = signalAndEars(Array.from({ length: 20 }, String));
  t.is(listeners(), 1);
  for (const ear of ears.slice(1)) offAbort(signal, ear);
  t.is(listeners(), 1);
  for (const ear of ears) offAbort(signal, ear);
  t.is(listeners(), 0);
  controller.abort();
  t.deepEqual(heard, []);
});

test('each hears of the abort once, but who has left, even meanwhile', (t) => {
  const { controller, signal, heard, ears, listeners } = signalAndEars(['a', 'b', 'c']);
  const last = (): void => void heard.push('last');
  const [, second = last] = ears;
  offAbort(signal, second);
  onAbort(signal, () => offAbort(signal, last));
  onAbort(signal, second);
  onAbort(signal, last);
  controller.abort();
  t.deepEqual(heard, ['a', 'c', 'b']);
  t.is(listeners(), 0);
});

test('signals know nothing of each other', (t) => {
  const [one, other] = [signalAndEars(['one']), signalAndEars(['other'])];
  one.controller.abort();
  t.deepEqual([one.heard, other.heard, other.listeners()], [['one'], [], 1]);
});
