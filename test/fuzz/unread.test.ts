/** What is unsent stays bounded, whatever a peer asks for that does not read the answers. */
import test from 'ava';
import fc from 'fast-check';
import { encodeFlow } from '../../src/shared/wire/datagram.ts';
import { encodeFrame, encodePing, encodeReset } from '../../src/shared/wire/encode.ts';
import { FrameType } from '../../src/shared/wire/frame.ts';
import { encodeOpen } from '../../src/shared/wire/messages.ts';
import { until } from '../helpers/events.ts';
import { INFO, SessionBench } from '../helpers/session-bench.ts';

/** What may be unsent before reading stops, and what the answers to the last chunk add, bytes. */
const BOUND = 128 * 1024;

const ASKS = ['ping', 'break', 'end', 'flow'] as const;
type Ask = (typeof ASKS)[number];

/** The other side of an acceptor, which makes it speak: by PINGs, by visits that it breaks off or ends, by flows. */
class Asker {
  #visit = 0;
  #flow = 0;
  #carries = false;

  frames(ask: Ask, times: number): Buffer {
    return Buffer.concat(Array.from({ length: times }, () => this.#frames(ask)).flat());
  }

  #frames(ask: Ask): Buffer[] {
    if (ask === 'ping') return [encodePing(Buffer.alloc(8))];
    if (ask === 'flow') {
      const begin = this.#carries ? [] : this.#open('udp');
      const payload = encodeFlow({ flow: ++this.#flow, remote: INFO.remote });
      return [...begin, encodeFrame(FrameType.flow, this.#visit, payload)];
    }
    const opening = [...(this.#carries ? [encodeReset(this.#visit, 16, '')] : []), ...this.#open('tcp')];
    return [...opening, ask === 'end' ? encodeFrame(FrameType.fin, this.#visit) : encodeReset(this.#visit, 16, '')];
  }

  #open(protocol: 'tcp' | 'udp'): Buffer[] {
    this.#carries = protocol === 'udp';
    this.#flow = 0;
    return [encodeFrame(FrameType.open, ++this.#visit, encodeOpen({ ...INFO, protocol }))];
  }
}

/** A session that accepts every visit, says something in it and ends it, and refuses every flow. */
function answering(): SessionBench {
  return new SessionBench('acceptor', 'client', {
    onVisit: (visit) => {
      visit.accept();
      visit.write(Buffer.alloc(100));
      visit.end();
    },
    onDatagrams: (visit) => {
      visit.handler = {
        onFlow: (flow) => visit.endFlow(flow),
        onDatagram() {},
        onFlowEnd() {},
        onStray() {},
        onEnd() {},
        onReset() {},
      };
      visit.accept();
    },
  });
}

const asking = fc.record({ ask: fc.constantFrom(...ASKS), times: fc.integer({ min: 1, max: 3000 }) });
const chunkSizes = fc.array(fc.integer({ min: 100, max: 65_536 }), { minLength: 1, maxLength: 4 });

test('whatever a peer asks for and does not read: what is unsent stays bounded, and goes on when it reads', async (t) => {
  const seen = { stopped: 0, chunks: 0, most: 0 };
  const asks = fc.array(asking, { minLength: 1, maxLength: 12, size: 'max' });
  await fc.assert(
    fc.asyncProperty(asks, chunkSizes, fc.nat(3), async (all, sizes, readsAt) => {
      const bench = answering();
      const { session, socket } = bench;
      const asker = new Asker();
      const stream = Buffer.concat(all.map(({ ask, times }) => asker.frames(ask, times)));
      socket.stick();
      let stops = 0;
      for (let at = 0, turn = 0; at < stream.length; turn += 1) {
        const size = sizes[turn % sizes.length] ?? 1;
        socket.feed(stream.subarray(at, at + size));
        at += size;
        // Flows are ended with the turn of the event loop.
        await new Promise(setImmediate);
        bench.inOrder();
        seen.chunks += 1;
        seen.most = Math.max(seen.most, session.unsent);
        if (session.unsent > BOUND) throw new Error(`${session.unsent} bytes are unsent`);
        if (!socket.isPaused()) continue;
        if (stops++ === readsAt) break;
        socket.release();
        await until(() => !socket.isPaused(), 'it is read again');
        socket.stick();
      }
      socket.release();
      await until(() => !socket.isPaused() && session.unsent === 0, 'nothing is left');
      seen.stopped += stops;
      if (session.closed) throw new Error(`closed: ${bench.faults.join()}`);
      session.close('destroyed');
    }),
    { numRuns: 150 },
  );
  t.log(JSON.stringify(seen));
  t.true(seen.stopped > 50);
});
