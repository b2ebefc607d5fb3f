import { once } from 'node:events';
import { type IncomingMessage, request, type ServerResponse } from 'node:http';
import test from 'ava';
import { startBalancer, startHttp } from '../helpers/balancer.ts';
import { held } from '../helpers/memory.ts';

const PIECE = Buffer.alloc(256 * 1024);
const TOTAL = 512 * 1024 * 1024;

/** Writes all of it as fast as it is taken. */
async function writeAll(to: ServerResponse | ReturnType<typeof request>): Promise<void> {
  for (let sent = 0; sent < TOTAL; sent += PIECE.length) if (!to.write(PIECE)) await once(to, 'drain');
  to.end();
}

/** Reads all of it. */
async function countAll(from: IncomingMessage): Promise<number> {
  let bytes = 0;
  for await (const data of from) bytes += (data as Buffer).length;
  return bytes;
}

// Alone in its file, for its thread's memory is measured.
test('half a gigabyte passes each way, and little of it is ever held', async (t) => {
  await using target = await startHttp((asked, response) => {
    if (asked.method === 'GET') void writeAll(response);
    else void countAll(asked).then((bytes) => response.end(String(bytes)));
  });
  await using balancer = await startBalancer([target]);
  const before = held();
  let most = 0;
  const look = setInterval(() => (most = Math.max(most, held())), 500);
  const asked = request({ host: '127.0.0.1', port: balancer.port, agent: false }).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  t.is(await countAll(response), TOTAL);
  const sending = request({ host: '127.0.0.1', port: balancer.port, agent: false, method: 'PUT' });
  const answered = once(sending, 'response') as Promise<[IncomingMessage]>;
  await writeAll(sending);
  const [answer] = await answered;
  let text = '';
  for await (const data of answer) text += String(data);
  clearInterval(look);
  t.is(text, String(TOTAL));
  t.true(most - before < 96 * 1024 * 1024, `${most - before}`);
});
