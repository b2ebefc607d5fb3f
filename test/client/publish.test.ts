/** What a client says of the port that it wants. */
import test from 'ava';
import { ClientPool } from '../../src/client/client-pool.ts';
import type { ClientPoolOptions } from '../../src/client/client-pool-options.ts';
import { TunnelClient, type TunnelClientOptions } from '../../src/client/tunnel-client.ts';
import type { TunnelPool } from '../../src/shared/tunnel/tunnel.ts';
import { Greeter } from '../../src/shared/session/greeter.ts';
import { ServerGreeting } from '../../src/shared/session/greeting.ts';
import { TokenRing } from '../../src/shared/session/token-ring.ts';
import type { Hello } from '../../src/shared/wire/messages.ts';
import { until } from '../helpers/events.ts';
import { listen } from '../helpers/middle-man.ts';
import { TOKEN } from '../helpers/pair.ts';
import { CHANNEL, NOW, SETTINGS } from '../helpers/session-pair.ts';

interface Started {
  start(): Promise<void>;
  destroy(): void;
}

/** The first HELLO of a client that dials here. */
async function helloOf(make: (dial: string) => Started): Promise<Hello> {
  const tokens = await TokenRing.from([TOKEN]);
  let heard: Hello | undefined;
  using server = await listen(false, (socket) => {
    socket.write(CHANNEL.tag);
    const admit = (hello: Hello) => {
      heard ??= hello;
      return SETTINGS;
    };
    const greeting = new ServerGreeting({ channel: CHANNEL, tokens, wallNow: () => NOW, hasTunnel: () => true, admit });
    new Greeter(socket, greeting, { onGreeted: () => socket.destroy(), onGreetingFailed: () => {} }).start();
  });
  const client = make(`127.0.0.1:${server.port}`);
  await client.start();
  await until(() => heard !== undefined, 'the client has said HELLO');
  client.destroy();
  return heard as unknown as Hello;
}

const pool = (options: Partial<ClientPoolOptions<true>>) => (dial: string) =>
  new ClientPool({ dial, tls: { mode: 0 }, token: TOKEN, minCapacity: 1, ...options });

const tunnel = (options: Partial<TunnelClientOptions>, more: Partial<ClientPoolOptions<true>>) => (dial: string) => {
  const client = new TunnelClient({
    target: '3000',
    ...options,
    pool: { dial, tls: { mode: 0 }, token: TOKEN, minCapacity: 1, ...more },
  });
  const destroy = (): void => (client.servers as TunnelPool).destroy();
  return { start: () => client.start(), destroy };
};

test('a port, and all that may be said about it, stand in HELLO, and must be understood', async (t) => {
  const plain = { port: 8080, protocol: 'tcp', share: false };
  const cases: readonly (readonly [(dial: string) => Started, string, object])[] = [
    [pool({ publish: 8080 }), 'port-8080', plain],
    [
      pool({ publish: { port: 53, protocol: 'udp', share: true } }),
      'port-53-udp',
      { port: 53, protocol: 'udp', share: true },
    ],
    [pool({ publish: 8080, tunnel: 'web' }), 'web', plain],
    [tunnel({}, { publish: 8080 }), 'port-8080', plain],
    [
      tunnel({ protocol: 'udp' }, { publish: { port: 8080, share: true } }),
      'port-8080-udp',
      { port: 8080, protocol: 'udp', share: true },
    ],
  ];
  for (const [make, name, publish] of cases) {
    const hello = await helloOf(make);
    t.is(hello.tunnel, name);
    t.deepEqual([hello.publish, hello.require], [publish, ['publish']]);
  }
  const without = await helloOf(pool({}));
  t.deepEqual([without.tunnel, without.publish, without.require], ['default', undefined, undefined]);
});

test('what is no port, and a port where no visitors come in by it, are refused', (t) => {
  const dial = '127.0.0.1:1';
  const wrong = [
    [{ publish: 0 }, /^publish: wants a whole number from 1 to 65535/],
    [{ publish: { port: 65_536 } }, /^publish/],
    [{ publish: { port: 80, host: '::1' } }, /^publish/],
    [{ publish: 80, opener: 'client' }, /^publish: has no place in a forward tunnel/],
    [{ publish: 80, session: false, token: undefined }, /^publish: has no effect with session: false/],
  ] as const;
  for (const [options, message] of wrong) {
    t.throws(() => new ClientPool({ dial, token: TOKEN, ...(options as object) }), { message });
  }
  const forward = { local: '127.0.0.1:0', pool: { dial, publish: 80 } };
  t.throws(() => new TunnelClient(forward), { message: /^publish: has no place in a forward tunnel/ });
  const both = { target: '3000', pool: { dial, publish: { port: 80, protocol: 'udp' as const } } };
  t.throws(() => new TunnelClient(both), { message: /^publish\.protocol: the tunnel's own is tcp/ });
});
