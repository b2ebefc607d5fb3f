import test, { type ExecutionContext } from 'ava';
import { BadSettingsError, ProtocolError, RejectedError, TokenExpiredError } from '../../../src/shared/errors.ts';
import {
  type Channel,
  ClientGreeting,
  rejectFrame,
  ServerGreeting,
  type ServerGreetingOptions,
} from '../../../src/shared/session/greeting.ts';
import { type Token, TokenRing } from '../../../src/shared/session/token-ring.ts';
import { HEADER_BYTES, FrameType } from '../../../src/shared/wire/frame.ts';
import { encodeReject } from '../../../src/shared/wire/messages.ts';
import { until } from '../../helpers/events.ts';
import {
  CHANNEL,
  CLIENT,
  clientGreeting,
  greet,
  NOW,
  serverGreeting,
  SETTINGS,
  tokens,
  wire,
} from '../../helpers/session-pair.ts';

/** The payload of a frame that holds one. */
const payloadOf = (frame: Buffer | undefined): Buffer => (frame ?? Buffer.alloc(0)).subarray(HEADER_BYTES);

async function server(options: Partial<ServerGreetingOptions> = {}): Promise<ServerGreeting> {
  const hasTunnel = (tunnel: string): boolean => tunnel === 'default';
  return new ServerGreeting({
    channel: CHANNEL,
    tokens: await tokens(),
    wallNow: () => NOW,
    hasTunnel,
    admit: () => SETTINGS,
    ...options,
  });
}

async function client(channel: Channel = CHANNEL, ring?: TokenRing, tunnel = 'default'): Promise<ClientGreeting> {
  const hello = { tunnel, client: CLIENT, agent: 'test/1' };
  return new ClientGreeting({ channel, tokens: ring ?? (await tokens()), hello });
}

/** The client's HELLO to this server's CHALLENGE, as a payload of its own. */
function helloOf(from: ClientGreeting, to: ServerGreeting): Buffer {
  return Buffer.from(payloadOf(from.receive(FrameType.challenge, payloadOf(to.start())).reply));
}

const refuses = (t: ExecutionContext, to: ServerGreeting, hello: Buffer): string | undefined =>
  t.throws(() => to.receive(FrameType.hello, hello), { instanceOf: RejectedError })?.reason;

test('two sides with the same token settle who opens, and on what terms', async (t) => {
  const [to, from] = [await server(), await client()];
  const answer = to.receive(FrameType.hello, helloOf(from, to));
  t.like(answer.greeted, { role: 'opener', settings: SETTINGS, tunnel: 'default', client: CLIENT, agent: 'test/1' });
  const { greeted } = from.receive(FrameType.welcome, payloadOf(answer.reply));
  t.like(greeted, { role: 'acceptor', settings: SETTINGS, client: CLIENT });
});

test('a token that is wrong, or that the server does not know, is refused in the same words', async (t) => {
  const other = await TokenRing.from(['another token entirely']);
  const to = await server();
  t.is(refuses(t, to, helloOf(await client(CHANNEL, other), to)), 'auth');
  const again = await server();
  const forged = helloOf(await client(), again);
  forged[0] = (forged[0] ?? 0) ^ 1;
  t.is(refuses(t, again, forged), 'auth');
});

test('one of several tokens is found', async (t) => {
  const both = await TokenRing.from(['the old token, still good', 'the token of the tests']);
  const to = await server({ tokens: both });
  const hello = helloOf(await client(), to);
  t.notThrows(() => to.receive(FrameType.hello, hello));
});

test('a proof made for TLS is worth nothing without it, nor on another TLS connection', async (t) => {
  const binding = Buffer.alloc(32, 7);
  const secure = { ...CHANNEL, secure: true, binding };
  const channels: Channel[] = [
    CHANNEL,
    { ...secure, secure: false },
    { ...secure, binding: Buffer.alloc(32, 8) },
    { ...secure, tag: Buffer.from('othertag') },
  ];
  for (const channel of channels) {
    const to = await server({ channel });
    t.is(refuses(t, to, helloOf(await client(secure), to)), 'auth');
  }
  const same = await server({ channel: secure });
  const hello = helloOf(await client(secure), same);
  t.notThrows(() => same.receive(FrameType.hello, hello));
});

test('case 9: settings without measure are refused', async (t) => {
  for (const wrong of [{ maxConnections: 1e9 }, { keepAliveMs: -1 }, { opener: 'nobody' }, { worker: 3 }]) {
    const from = await client();
    const to = await server({ admit: () => ({ ...SETTINGS, ...wrong }) as never });
    const { reply } = to.receive(FrameType.hello, helloOf(from, to));
    t.throws(() => from.receive(FrameType.welcome, payloadOf(reply)), { instanceOf: BadSettingsError });
  }
});

test('whether a tunnel exists is told only to who has proved a token', async (t) => {
  const other = await TokenRing.from(['another token entirely']);
  for (const [ring, reason] of [
    [await tokens(), 'tunnel'],
    [other, 'auth'],
  ] as const) {
    const to = await server();
    t.is(refuses(t, to, helloOf(await client(CHANNEL, ring, 'elsewhere'), to)), reason);
  }
});

/** A server whose one token, the client's, has these terms. */
async function serverWith(terms: Omit<Token, 'token'>): Promise<ServerGreeting> {
  return await server({ tokens: await TokenRing.from([{ token: 'the token of the tests', ...terms }]) });
}

test('the name of the token that was proved, and its end, are known at the server', async (t) => {
  const to = await serverWith({ name: 'alice', expiresAt: NOW + 1 });
  const { greeted } = to.receive(FrameType.hello, helloOf(await client(), to));
  t.like(greeted, { token: 'alice', tokenExpiresAt: NOW + 1 });
});

test('an expired token is refused in the words of a wrong one; only the server’s own error says more', async (t) => {
  const to = await serverWith({ name: 'alice', expiresAt: NOW });
  const hello = helloOf(await client(), to);
  const error = t.throws(() => to.receive(FrameType.hello, hello), { instanceOf: TokenExpiredError });
  t.regex(error?.message ?? '', /the token alice expired at 2027-01-01T00:00:00/);
  const wrong = await serverWith({ name: 'alice', expiresAt: NOW });
  const forged = helloOf(await client(), wrong);
  forged[0] = (forged[0] ?? 0) ^ 1;
  const refusal = t.throws(() => wrong.receive(FrameType.hello, forged), { instanceOf: RejectedError });
  t.false(refusal instanceof TokenExpiredError, 'who does not hold it is not told of');
  t.deepEqual(rejectFrame(error as RejectedError), rejectFrame(refusal));
});

test('a token that is bound to tunnels opens no other; that is told to nobody without it', async (t) => {
  const hasTunnel = (): boolean => true;
  const bound = await TokenRing.from([{ token: 'the token of the tests', tunnels: new Set(['web', 'ssh']) }]);
  for (const [tunnel, reason] of [
    ['ssh', undefined],
    ['default', 'tunnel'],
  ] as const) {
    const to = await server({ tokens: bound, hasTunnel });
    const hello = helloOf(await client(CHANNEL, undefined, tunnel), to);
    if (reason === undefined) t.like(to.receive(FrameType.hello, hello).greeted, { tunnel });
    else t.is(refuses(t, to, hello), reason);
    const again = await server({ tokens: bound, hasTunnel });
    const forged = helloOf(await client(CHANNEL, undefined, tunnel), again);
    forged[0] = (forged[0] ?? 0) ^ 1;
    t.is(refuses(t, again, forged), 'auth');
  }
});

test('a HELLO that waits for its turn is answered then, and nothing may come before', async (t) => {
  const turns: (() => void)[] = [];
  const turn = (_hello: object, judge: () => void): void => void turns.push(judge);
  const [near, far] = wire();
  const sides = Promise.all([greet(near, await server({ turn })), greet(far, await clientGreeting())]);
  await until(() => turns.length === 1, 'the HELLO waits');
  turns[0]?.();
  const [there] = await sides;
  t.is(there.greeted.client, CLIENT);

  const [second, impatient] = wire();
  const greeting = greet(second, await server({ turn }));
  impatient.on('data', (challenge: Buffer) => {
    void client().then((from) => {
      const { reply } = from.receive(FrameType.challenge, payloadOf(challenge));
      impatient.write(Buffer.concat([reply ?? Buffer.alloc(0), reply ?? Buffer.alloc(0)]));
    });
  });
  await t.throwsAsync(greeting, { instanceOf: ProtocolError });
  t.notThrows(() => turns[1]?.(), 'its turn comes too late, and does nothing');
});

test('who wants something made is answered when it is there, and only who has proved the token is heard', async (t) => {
  const made: (() => void)[] = [];
  const prepare = (): Promise<void> => new Promise((resolve) => made.push(resolve));
  const [near, far] = wire();
  let settled = false;
  const sides = Promise.all([greet(near, await server({ prepare })), greet(far, await clientGreeting())]);
  void sides.then(() => (settled = true));
  await until(() => made.length === 1, 'it is being made');
  t.false(settled);
  made[0]?.();
  const [there] = await sides;
  t.is(there.greeted.client, CLIENT);

  const to = await server({ prepare });
  const other = await TokenRing.from(['another token entirely']);
  t.is(refuses(t, to, helloOf(await client(CHANNEL, other), to)), 'auth');
  t.is(made.length, 1);
});

test('what cannot be made is refused in its own words; who hangs up meanwhile is not waited for', async (t) => {
  const refusal = new RejectedError('limit', 'somebody else has it', 1000);
  const [near, far] = wire(5);
  const prepare = (): Promise<void> => Promise.reject(refusal);
  const sides = await Promise.allSettled([greet(near, await server({ prepare })), greet(far, await clientGreeting())]);
  const reason = { reason: 'limit', detail: 'somebody else has it', retryAfterMs: 1000 };
  for (const side of sides) t.like(side, { status: 'rejected', reason });

  const made: (() => void)[] = [];
  const slowly = (): Promise<void> => new Promise((resolve) => made.push(resolve));
  const [second, impatient] = wire();
  const greeting = greet(second, await server({ prepare: slowly }));
  void greet(impatient, await clientGreeting()).catch(() => {});
  await until(() => made.length === 1, 'it is being made');
  impatient.destroy();
  await t.throwsAsync(greeting, { code: 'POOLD_ERR_DIAL' });
  t.notThrows(() => made[0]?.(), 'it comes too late, and does nothing');
});

test('a HELLO that cannot be read is another version’s', async (t) => {
  for (const hello of [Buffer.alloc(10), Buffer.alloc(100), Buffer.concat([Buffer.alloc(48), Buffer.from('{}')])]) {
    const to = await server();
    to.start();
    t.is(refuses(t, to, hello), 'version');
  }
});

test('why a server turns a client away reaches the client, over the wire', async (t) => {
  const [near, far] = wire(3);
  const refusing = await server({
    admit: () => {
      throw new RejectedError('full', 'come back later', 1500);
    },
  });
  const sides = await Promise.allSettled([greet(near, refusing), greet(far, await clientGreeting())]);
  for (const side of sides) {
    t.like(side, { status: 'rejected', reason: { reason: 'full', detail: 'come back later', retryAfterMs: 1500 } });
  }
});

test('frames out of turn end the greeting', async (t) => {
  const frames = { welcome: '03000000', ping: '20000008', open: '10000004', emptyHello: '02000000' };
  for (const [name, header] of Object.entries(frames)) {
    const [near, far] = wire();
    const greeting = greet(near, await serverGreeting());
    far.resume();
    far.write(Buffer.concat([Buffer.from(`${header}00000000`, 'hex'), Buffer.alloc(8)]));
    await t.throwsAsync(greeting, { instanceOf: ProtocolError }, name);
  }
  const early = await client();
  const reject = encodeReject({ code: 'busy', message: 'later' });
  t.throws(() => early.receive(FrameType.reject, reject), { instanceOf: RejectedError }, 'REJECT may come first');
});

test('a side that hangs up in the middle fails the greeting of the other', async (t) => {
  const [near, far] = wire();
  const greeting = greet(near, await serverGreeting());
  far.resume();
  far.destroy();
  await t.throwsAsync(greeting, { code: 'POOLD_ERR_DIAL' });
});
