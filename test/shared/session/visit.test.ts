import test from 'ava';
import { Visit, type VisitCarrier, type VisitHandler } from '../../../src/shared/session/visit.ts';
import { giveTransfer } from '../../helpers/transfer.ts';

giveTransfer();

const carrier = {
  id: '0011223344556677',
  greeted: { client: '00' },
  established: true,
  unsent: 0,
  copies: true,
  draining: false,
  sendFrames: () => {},
  sendData: () => true,
  sendOpened: () => {},
  sendFin: () => {},
  sendReset: () => {},
  pause: () => {},
  resume: () => {},
  close: () => {},
} satisfies VisitCarrier;

const INFO = { protocol: 'tcp', tunnel: 'default', remote: '192.0.2.1:5000', local: '127.0.0.1:80' } as const;

/** A visit that has come from the other side, heard by somebody with so many bytes to write. */
function heard(unwritten?: number) {
  const visit = new Visit(carrier, false, 1, INFO);
  const handler: VisitHandler & { unwritten?: number } = {
    onOpened: () => {},
    onData: () => {},
    onEnd: () => {},
    onReset: () => {},
    onDrain: () => {},
    ...(unwritten === undefined ? {} : { unwritten }),
  };
  visit.handler = handler;
  return { visit, handler };
}

test('a chunk is free once all of it has been written', (t) => {
  const { visit, handler } = heard(10);
  const [first, second] = [Buffer.from(new ArrayBuffer(8192)), Buffer.from(new ArrayBuffer(8192))];
  visit.received(first.subarray(8));
  visit.lend(first);
  t.is(first.length, 8192);
  handler.unwritten = 0;
  visit.received(second.subarray(8));
  t.is(first.length, 0);
  t.is(second.length, 8192);
  visit.lend(second);
  t.is(second.length, 0);
});

test('a chunk is left alone where its pieces are kept', (t) => {
  for (const visit of [heard().visit, new Visit(carrier, false, 1, INFO)]) {
    const chunk = Buffer.from(new ArrayBuffer(8192));
    visit.received(chunk.subarray(8));
    visit.lend(chunk);
    visit.received(Buffer.alloc(1));
    t.is(chunk.length, 8192);
  }
});

test('what is written is done with when it has left, unless it may be needed again', (t) => {
  t.is(new Visit({ ...carrier, unsent: 7 }, false, 1, INFO).unsent, 7);
  t.is(new Visit(carrier, true, 1, INFO).unsent, 0);
  t.is(new Visit({ ...carrier, established: false }, true, 1, INFO).unsent, undefined);
  t.is(new Visit({ ...carrier, copies: false }, false, 1, INFO).unsent, undefined);
  const over = new Visit(carrier, false, 1, INFO);
  over.detach();
  t.is(over.unsent, undefined);
});
