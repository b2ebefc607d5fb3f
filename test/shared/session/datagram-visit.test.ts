import { once } from 'node:events';
import test from 'ava';
import { type DatagramVisit, MAX_UNSENT_BYTES } from '../../../src/shared/session/datagram-visit.ts';
import { encodeFlow, encodeFlowEnd, MAX_DATAGRAM_BYTES } from '../../../src/shared/wire/datagram.ts';
import { encodeFrame } from '../../../src/shared/wire/encode.ts';
import { FrameType, ResetCode } from '../../../src/shared/wire/frame.ts';
import type { OpenInfo } from '../../../src/shared/wire/messages.ts';
import { DatagramLog } from '../../helpers/datagram-log.ts';
import { until } from '../../helpers/events.ts';
import { sessionPair } from '../../helpers/session-pair.ts';

const INFO: OpenInfo = { protocol: 'udp', tunnel: 'default', remote: '192.0.2.1:5000', local: '127.0.0.1:53' };
const A = '192.0.2.1:5000';
const B = '192.0.2.2:5000';

interface End {
  readonly visit: DatagramVisit;
  readonly log: DatagramLog;
}

/** A pair whose client takes visits of datagrams. */
async function carrierPair({ slice = Infinity, accept = true } = {}) {
  const taken: End[] = [];
  const faults: string[] = [];
  const onFault = (error: Error): void => void faults.push(error.message);
  const pair = await sessionPair({
    slice,
    server: { onFault },
    client: {
      onFault,
      onDatagrams: (visit) => {
        taken.push({ visit, log: new DatagramLog(visit) });
        if (accept) visit.accept();
      },
    },
  });
  const open = (): End => {
    const visit = pair.server.openDatagrams(INFO);
    return { visit, log: new DatagramLog(visit) };
  };
  const here = open();
  await until(() => taken.length === 1, 'the visit has arrived');
  const there = taken[0] as End;
  if (accept) await until(() => pair.server.established, 'it is accepted');
  return { ...pair, here, there, open, taken, faults };
}

for (const slice of [Infinity, 1, 7]) {
  test(`datagrams of several flows arrive whole, each in its flow and in order (pieces of ${slice})`, async (t) => {
    const { here, there, faults } = await carrierPair({ slice });
    const [a, b] = [here.visit.openFlow(A) ?? 0, here.visit.openFlow(B) ?? 0];
    t.deepEqual([a, b], [1, 2]);
    for (const [flow, text] of [
      [a, 'one'],
      [b, 'eins'],
      [a, ''],
      [b, 'zwei'],
      [a, 'three'],
    ] as const) {
      t.true(here.visit.send(flow, Buffer.from(text)));
    }
    await until(() => there.log.heard.length === 7, 'all is there');
    t.deepEqual(there.log.heard, [`flow 1 ${A}`, `flow 2 ${B}`, '1: one', '2: eins', '1: ', '2: zwei', '1: three']);
    t.true(there.visit.send(2, Buffer.from('answer')));
    await until(() => here.log.heard.length === 1, 'the answer is there');
    t.deepEqual(here.log.heard, ['2: answer']);
    t.deepEqual(faults, []);
  });
}

test('every length up to the longest arrives, and a longer one is not sent', async (t) => {
  const { here, there } = await carrierPair({ slice: 16_384 });
  const flow = here.visit.openFlow(A) ?? 0;
  const sizes = [0, 1, 1200, 1472, 9000, 65_506, MAX_DATAGRAM_BYTES];
  for (const size of sizes) t.true(here.visit.send(flow, Buffer.alloc(size, size)));
  t.false(here.visit.send(flow, Buffer.alloc(MAX_DATAGRAM_BYTES + 1)));
  await until(() => there.log.datagrams.get(flow)?.length === sizes.length, 'all are there');
  const there65k = there.log.datagrams.get(flow) ?? [];
  t.deepEqual(
    there65k.map((datagram) => datagram.length),
    sizes,
  );
  for (const [index, size] of sizes.entries()) t.true(there65k[index]?.equals(Buffer.alloc(size, size)));
});

test('the datagrams of one turn leave in one write', async (t) => {
  const { here, there, ends } = await carrierPair();
  const chunks: number[] = [];
  ends[1].prependListener('data', (chunk: Buffer) => chunks.push(chunk.length));
  const flow = here.visit.openFlow(A) ?? 0;
  for (let n = 0; n < 20; n += 1) here.visit.send(flow, Buffer.alloc(100));
  await until(() => there.log.datagrams.get(flow)?.length === 20, 'all are there');
  t.is(chunks.length, 1);
});

test('a flow ends at both sides, whichever ends it, and its number is not used again', async (t) => {
  const { here, there, faults } = await carrierPair();
  const first = here.visit.openFlow(A) ?? 0;
  const second = here.visit.openFlow(B) ?? 0;
  await until(() => there.log.heard.length === 2, 'both flows are there');
  here.visit.endFlow(first);
  there.visit.endFlow(second);
  await until(() => there.log.heard.includes('end 1') && here.log.heard.includes('end 2'), 'both have heard');
  t.deepEqual([here.visit.flows, there.visit.flows], [0, 0]);
  t.false(here.visit.send(first, Buffer.from('too late')));
  here.visit.endFlow(first);
  t.is(here.visit.openFlow(A), 3);
  await until(() => there.log.heard.includes(`flow 3 ${A}`), 'the next flow is there');
  t.deepEqual(faults, []);
});

test('a datagram that crosses the end of its flow is dropped, and said to be', async (t) => {
  const { here, there, faults } = await carrierPair();
  const flow = here.visit.openFlow(A) ?? 0;
  await until(() => there.visit.flows === 1, 'the flow is there');
  there.visit.endFlow(flow);
  here.visit.send(flow, Buffer.from('crossing'));
  await until(() => there.log.strays === 1, 'it has arrived');
  t.deepEqual(there.log.heard, [`flow 1 ${A}`]);
  here.visit.endFlow(flow);
  t.deepEqual(faults, []);
});

const flowFrame = (flow: number): Buffer => encodeFrame(FrameType.flow, 1, encodeFlow({ flow, remote: A }));

for (const [what, frames] of [
  ['a flow that is open already', [flowFrame(1), flowFrame(1)]],
  ['a flow that is over', [flowFrame(1), encodeFrame(FrameType.flowEnd, 1, encodeFlowEnd(1)), flowFrame(1)]],
  ['a flow out of turn', [flowFrame(2)]],
  ['a DATA frame without a flow', [encodeFrame(FrameType.data, 1, Buffer.alloc(3))]],
  ['an empty DATA frame', [encodeFrame(FrameType.data, 1)]],
  ['a datagram that is too long', [encodeFrame(FrameType.data, 1, Buffer.alloc(MAX_DATAGRAM_BYTES + 5))]],
  ['a FLOWEND of another length', [encodeFrame(FrameType.flowEnd, 1, Buffer.alloc(5))]],
] as const) {
  test(`${what} is a protocol error`, async (t) => {
    const { ends, faults, client } = await carrierPair();
    for (const frame of frames) ends[0].write(frame);
    await until(() => client.closed, 'the connection is closed');
    t.is(faults.length, 1);
  });
}

test('FLOW from the acceptor, and in a visit of bytes, is a protocol error', async (t) => {
  const carrier = await carrierPair();
  carrier.ends[1].write(flowFrame(1));
  await until(() => carrier.server.closed, 'the connection is closed');
  t.regex(carrier.faults[0] ?? '', /frame 0x15 of visit 1/);
  const pair = await sessionPair({ client: { onVisit: (visit) => visit.accept() } });
  pair.server.open({ ...INFO, protocol: 'tcp' });
  pair.ends[0].write(flowFrame(1));
  await until(() => pair.client.closed, 'the connection is closed');
  t.pass();
});

test('before OPENED 64 KiB are sent, and what would be more is dropped', async (t) => {
  const { here, there, faults } = await carrierPair({ accept: false });
  const flow = here.visit.openFlow(A) ?? 0;
  t.true(here.visit.send(flow, Buffer.alloc(40_000)));
  t.false(here.visit.send(flow, Buffer.alloc(40_000)));
  t.true(here.visit.send(flow, Buffer.alloc(20_000)));
  await until(() => there.log.heard.length === 3, 'they are there');
  there.visit.accept();
  await until(() => here.visit.send(flow, Buffer.alloc(40_000)), 'there is room');
  await until(() => there.log.heard.length === 4, 'it is there');
  t.deepEqual(faults, []);
});

test('a peer that does not read makes datagrams drop, and nothing grow', async (t) => {
  const { here, there, ends, server } = await carrierPair();
  const flow = here.visit.openFlow(A) ?? 0;
  await until(() => there.visit.flows === 1, 'the flow is there');
  ends[1].pause();
  let dropped = 0;
  for (let n = 0; n < 3000; n += 1) {
    if (!here.visit.send(flow, Buffer.alloc(1200))) dropped += 1;
    if (n % 32 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  t.true(dropped > 1500, `${dropped} were dropped`);
  t.true(server.unsent <= MAX_UNSENT_BYTES + 64 * 1024, `${server.unsent} bytes are unsent`);
  ends[1].resume();
  await until(() => there.log.datagrams.get(flow)?.length === 3000 - dropped, 'all that were sent are there');
  t.true(here.visit.send(flow, Buffer.from('again')));
});

test('an end sends what is there first, leaves both sides idle, and the next visit counts anew', async (t) => {
  const { here, there, open, server, client, taken, faults } = await carrierPair();
  const flow = here.visit.openFlow(A) ?? 0;
  here.visit.send(flow, Buffer.from('last'));
  here.visit.end();
  await until(() => there.log.heard.includes('end'), 'the end is heard');
  t.deepEqual(there.log.heard, [`flow 1 ${A}`, '1: last', 'end']);
  there.visit.end();
  await until(() => here.log.done && there.log.done, 'both have let go');
  t.deepEqual([server.refusal(), client.refusal()], [undefined, undefined]);
  t.false(here.visit.send(flow, Buffer.from('over')));
  t.is(here.visit.openFlow(A), undefined);
  const next = open();
  t.is(next.visit.openFlow(B), 1);
  await until(() => taken[1]?.log.heard.length === 1, 'the next visit is there');
  t.deepEqual(faults, []);
});

test('a reset drops what has not left, and is told at the other side', async (t) => {
  const { here, there, faults } = await carrierPair();
  const flow = here.visit.openFlow(A) ?? 0;
  here.visit.send(flow, Buffer.from('never sent'));
  here.visit.reset(ResetCode.visitorLeft);
  await until(() => here.log.done && there.log.done, 'both have let go');
  t.deepEqual(there.log.heard, [`reset ${ResetCode.visitorLeft}`]);
  t.deepEqual(faults, []);
});

test('the loss of the connection is told as a reset, and the visit drains before', async (t) => {
  const { here, there, ends, client } = await carrierPair();
  t.false(here.visit.draining);
  client.retire('pool-closed', true);
  await until(() => here.visit.draining, 'the goodbye is heard');
  ends[1].destroy();
  await once(ends[0], 'close');
  await until(() => here.log.done && there.log.done, 'both have let go');
  t.is(here.log.resetCode, ResetCode.internal);
  t.true(here.visit.draining);
});
