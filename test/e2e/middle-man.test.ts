/** Somebody on the path, and what they get out of it. */
import { once } from 'node:events';
import test from 'ava';
import { ClientPool } from '../../src/client/client-pool.ts';
import { ServerPool } from '../../src/server/server-pool.ts';
import type { PooldError } from '../../src/shared/errors.ts';
import type { DialFailedEvent, HandshakeFailedEvent } from '../../src/shared/pool/pool-events.ts';
import { FrameType } from '../../src/shared/wire/frame.ts';
import { nextEvent, until } from '../helpers/events.ts';
import { bytesOf, type Frame } from '../helpers/frame-collector.ts';
import { type Alter, dial, listen, type MiddleMan, onFrame, startMiddleMan } from '../helpers/middle-man.ts';
import { TOKEN } from '../helpers/pair.ts';

const MODES = [0, 1] as const;
type Mode = (typeof MODES)[number];

const { challenge, hello, welcome, reject } = FrameType;

interface Sides extends AsyncDisposable {
  readonly server: ServerPool;
  readonly client: ClientPool;
  readonly man: MiddleMan;
  /** The codes, or the reasons of a refusal, that each side tells first. */
  failures(): Promise<{ readonly client: string; readonly server: string | undefined }>;
}

const word = (error: PooldError & { readonly reason?: string }): string => error.reason ?? error.code;

/** A server, a client, and a man in the middle who has each frame in his hands. */
async function startSides(modes: { readonly client: Mode; readonly server: Mode }, alter?: Alter): Promise<Sides> {
  const server = new ServerPool({ listen: '127.0.0.1:0', token: TOKEN, tls: { mode: modes.server } });
  await server.start();
  const halves = { near: modes.client === 1, far: modes.server === 1 };
  const man = await startMiddleMan(server.address?.port ?? 0, halves, alter);
  const at = { host: '127.0.0.1', port: man.port };
  const client = new ClientPool({
    dial: at,
    token: TOKEN,
    tls: { mode: modes.client },
    minCapacity: 1,
    maxConnecting: 1,
  });
  let refused: string | undefined;
  server.on('handshakeFailed', ({ error }) => (refused ??= word(error)));
  return {
    server,
    client,
    man,
    async failures() {
      const failed = nextEvent<DialFailedEvent>(client, 'dialFailed');
      await client.start();
      const told = word((await failed).error);
      client.destroy();
      await until(() => client.size + server.size + server.arriving === 0, 'nothing is left');
      return { client: told, server: refused };
    },
    async [Symbol.asyncDispose]() {
      man[Symbol.dispose]();
      await Promise.all([client.close(), server.close()]);
    },
  };
}

test('with a token, TLS mode 1 is safe against a man in the middle: the server refuses the client’s proof', async (t) => {
  await using sides = await startSides({ client: 1, server: 1 });
  t.deepEqual(await sides.failures(), { client: 'auth', server: 'auth' });
  t.is(sides.man.up[0]?.type, hello, 'he has had the HELLO in his hands');
});

for (const [whose, proof] of [
  ['the client’s own', (said: Frame) => said.payload.slice(0, 64)],
  ['an invented', () => 'ab'.repeat(32)],
] as const) {
  test(`with a token, a man in the middle who welcomes the client with ${whose} proof is refused by the client`, async (t) => {
    const settings = { opener: 'server', maxConnections: 10, keepAliveMs: 0, worker: 0, workers: 1 };
    let said: Frame | undefined;
    await using sides = await startSides({ client: 1, server: 1 }, (frame, way) => {
      if (way === 'up') said = frame;
      if (frame.type !== reject || said === undefined) return frame;
      const json = Buffer.from(JSON.stringify(settings)).toString('hex');
      return { type: welcome, visit: 0, payload: proof(said) + json };
    });
    t.is((await sides.failures()).client, 'POOLD_ERR_PROTOCOL');
  });
}

test('mode 0 promises nothing against somebody on the path, who hears and carries everything', async (t) => {
  await using sides = await startSides({ client: 0, server: 0 });
  await sides.client.start();
  await Promise.all([sides.client.warmed(1), sides.server.warmed(1)]);
  t.deepEqual([sides.man.down[0]?.type, sides.man.up[0]?.type, sides.man.down[1]?.type], [challenge, hello, welcome]);
});

for (const client of MODES) {
  const server = client === 0 ? 1 : 0;
  test(`a proof made in mode ${client} is worth nothing to a server in mode ${server}`, async (t) => {
    await using sides = await startSides({ client, server });
    t.deepEqual(await sides.failures(), { client: 'auth', server: 'auth' });
  });
}

/** A frame whose text says something else, of the same length or not. */
const saying = (frame: Frame, from: string, to: string): Frame => {
  const payload = Buffer.from(frame.payload, 'hex').toString('latin1').replace(from, to);
  return { ...frame, payload: Buffer.from(payload, 'latin1').toString('hex') };
};

for (const [what, type, from, to, expected] of [
  ['names another tunnel', hello, '"tunnel":"default"', '"tunnel":"other"', { client: 'auth', server: 'auth' }],
  ['is another program’s', hello, '"agent":"poold', '"agent":"polod', { client: 'auth', server: 'auth' }],
  ['takes more connections', welcome, '"maxConnections":', '"maxConnections":1', { client: 'POOLD_ERR_PROTOCOL' }],
  ['is kept alive less often', welcome, '"keepAliveMs":', '"keepAliveMs":1', { client: 'POOLD_ERR_PROTOCOL' }],
  [
    'opens visits from the other side',
    welcome,
    '"opener":"server"',
    '"opener":"client"',
    { client: 'POOLD_ERR_PROTOCOL' },
  ],
  [
    'asks for absurd settings',
    welcome,
    '"maxConnections":',
    '"maxConnections":999',
    { client: 'POOLD_ERR_BAD_SETTINGS' },
  ],
] as const) {
  test(`mode 0: a ${type === hello ? 'HELLO' : 'WELCOME'} changed on its way so that it ${what} is refused`, async (t) => {
    await using sides = await startSides({ client: 0, server: 0 }, (frame) =>
      frame.type === type ? saying(frame, from, to) : frame,
    );
    t.like(await sides.failures(), expected);
  });
}

test('mode 0: the ID of another client in a HELLO is refused', async (t) => {
  await using sides = await startSides({ client: 0, server: 0 }, (frame) =>
    frame.type === hello ? saying(frame, sides.client.client, 'f'.repeat(32)) : frame,
  );
  t.deepEqual(await sides.failures(), { client: 'auth', server: 'auth' });
});

for (const version of ['00', '02']) {
  test(`a CHALLENGE of version ${version} instead of 1 ends the greeting`, async (t) => {
    await using sides = await startSides({ client: 0, server: 0 }, (frame) =>
      frame.type === challenge ? { ...frame, payload: version + frame.payload.slice(2) } : frame,
    );
    t.is((await sides.failures()).client, 'POOLD_ERR_PROTOCOL');
  });
}

/** Says something to a server in place of an answer to its CHALLENGE; resolves with its answer when it has closed. */
async function say(server: ServerPool, mode: Mode, words: (challenged: Frame) => readonly Frame[]): Promise<Frame[]> {
  const socket = await dial(server.address?.port ?? 0, mode === 1);
  const heard: Frame[] = [];
  onFrame(socket, true, (frame) => {
    if (frame.type === challenge) for (const one of words(frame)) socket.write(bytesOf(one));
    else heard.push(frame);
  });
  await once(socket, 'close');
  return heard;
}

for (const mode of MODES) {
  test(`case 7: a captured HELLO is worth nothing on another connection, in mode ${mode}`, async (t) => {
    await using sides = await startSides({ client: mode, server: mode });
    await sides.client.start();
    await until(() => sides.man.up.length > 0, 'it is captured');
    sides.client.destroy();
    await until(() => sides.server.size === 0, 'its connection is gone');
    const failed = nextEvent<HandshakeFailedEvent>(sides.server, 'handshakeFailed');
    const [answer] = await say(sides.server, mode, () => sides.man.up.slice(0, 1));
    t.is(answer?.type, reject);
    t.regex(Buffer.from(answer?.payload ?? '', 'hex').toString(), /"code":"auth"/);
    t.is(word((await failed).error), 'auth');
    t.is(sides.server.size, 0);
  });

  test(`case 7: captured words of a server let no client in, in mode ${mode}`, async (t) => {
    await using sides = await startSides({ client: mode, server: mode });
    await sides.client.start();
    await until(() => sides.man.down.length > 1, 'both are captured');
    sides.client.destroy();
    const [first, last] = sides.man.down as [Frame, Frame];
    using replayer = await listen(mode === 1, (socket) => {
      socket.write(Buffer.concat([Buffer.from('replayed'), bytesOf(first)]));
      onFrame(socket, false, () => void socket.write(bytesOf(last)));
    });
    const at = { host: '127.0.0.1', port: replayer.port };
    await using client = new ClientPool({ dial: at, token: TOKEN, tls: { mode }, minCapacity: 1 });
    const failed = nextEvent<DialFailedEvent>(client, 'dialFailed');
    await client.start();
    // In mode 1 what was captured is already a refusal.
    t.is(word((await failed).error), mode === 0 ? 'POOLD_ERR_PROTOCOL' : 'auth');
    t.is(client.idle, 0);
  });

  test(`a server’s own words, sent back to it, are refused, in mode ${mode}`, async (t) => {
    await using server = new ServerPool({ listen: '127.0.0.1:0', token: TOKEN, tls: { mode } });
    await server.start();
    const codes: string[] = [];
    server.on('handshakeFailed', ({ error }) => codes.push(word(error)));
    await say(server, mode, (challenged) => [challenged]);
    await say(server, mode, (challenged) => [{ ...challenged, type: hello }]);
    await say(server, mode, (challenged) => [{ ...challenged, type: welcome }]);
    await until(() => codes.length === 3, 'all three are refused');
    t.deepEqual(codes, ['POOLD_ERR_PROTOCOL', 'version', 'POOLD_ERR_PROTOCOL']);
  });

  test(`a stranger without a token, or with another, is refused in mode ${mode}`, async (t) => {
    await using server = new ServerPool({ listen: '127.0.0.1:0', token: TOKEN, tls: { mode } });
    await server.start();
    for (const token of [undefined, 'another token, as long as that']) {
      const options = { dial: server.address ?? '', tls: { mode }, minCapacity: 1 };
      await using client = new ClientPool(token === undefined ? options : { ...options, token });
      const failed = nextEvent<DialFailedEvent>(client, 'dialFailed');
      await client.start();
      t.is(word((await failed).error), 'auth');
    }
    t.is(server.size, 0);
  });
}
