import test from 'ava';
import { TunnelClient, type TunnelClientOptions } from '../../../src/client/tunnel-client.ts';
import { ServerPool } from '../../../src/server/server-pool.ts';
import { TunnelServer, type TunnelServerOptions } from '../../../src/server/tunnel-server.ts';
import type { InvalidOptionError } from '../../../src/shared/errors.ts';
import { TOKEN } from '../../helpers/pair.ts';

const client = (options: Partial<TunnelClientOptions>): TunnelClient =>
  new TunnelClient({ pool: { dial: '127.0.0.1:1', token: TOKEN }, ...options });
const server = (options: Partial<TunnelServerOptions>): TunnelServer =>
  new TunnelServer({
    pool: new ServerPool({ listen: '127.0.0.1:0', token: TOKEN }),
    public: '127.0.0.1:0',
    ...options,
  });

const mistakes: readonly [string, () => unknown, option: string, RegExp][] = [
  ['a protocol that is none', () => client({ target: '53', protocol: 'quic' as 'udp' }), 'protocol', /'tcp' or 'udp'/],
  ['a flow of no time', () => server({ protocol: 'udp', flowIdleTimeoutMs: 0 }), 'flowIdleTimeoutMs', /ms from 1/],
  ['no flows', () => server({ protocol: 'udp', maxFlows: 0 }), 'maxFlows', /from 1 to 65536/],
  ['no flows of an address', () => server({ protocol: 'udp', maxFlowsPerAddress: 0 }), 'maxFlowsPerAddress', /from 1/],
  ['flows without datagrams', () => server({ maxFlows: 10 }), 'maxFlows', /no effect without protocol 'udp'/],
  [
    'the time of a flow without datagrams',
    () => client({ target: '53', flowIdleTimeoutMs: 10 }),
    'flowIdleTimeoutMs',
    /no effect without protocol 'udp'/,
  ],
  ['a wait for a connection', () => server({ protocol: 'udp', waitMs: 10 }), 'waitMs', /no effect with protocol 'udp'/],
  [
    'a connect',
    () => client({ protocol: 'udp', target: '53', connectTimeoutMs: 10 }),
    'connectTimeoutMs',
    /no effect with protocol 'udp'/,
  ],
  ['visitors that are passed on', () => server({ protocol: 'udp', passOn: () => true }), 'passOn', /one process/],
  [
    'flows of an address where none come in',
    () => client({ protocol: 'udp', target: '53', maxFlowsPerAddress: 10 }),
    'maxFlowsPerAddress',
    /where no visitors come in/,
  ],
  [
    'checks of a target',
    () => client({ protocol: 'udp', target: ['53', '54'], targets: { check: { http: '/' } } }),
    'targets.check',
    /cannot be connected to/,
  ],
  [
    'connections kept ready',
    () => client({ protocol: 'udp', target: '53', targets: { strategy: 'failover', warm: 2 } }),
    'targets.warm',
    /cannot be connected to/,
  ],
  [
    'a PROXY header',
    () => client({ protocol: 'udp', target: '53', targets: { proxy: 'v2' } }),
    'targets.proxy',
    /cannot be connected to/,
  ],
  [
    'a unix socket',
    () => client({ protocol: 'udp', target: ['53', 'unix:/run/app.sock'] }),
    'target',
    /unix:\/run\/app\.sock takes no datagrams/,
  ],
];

for (const [title, make, option, message] of mistakes) {
  test(`refused, naming the option: ${title}`, (t) => {
    const error = t.throws<InvalidOptionError>(make, { code: 'POOLD_ERR_INVALID_OPTION', message });
    t.is(error?.option, option);
  });
}

test('what means something for datagrams is taken', (t) => {
  const options = { protocol: 'udp', flowIdleTimeoutMs: 5000, maxFlows: 10, stallTimeoutMs: 1000 } as const;
  t.like(client({ ...options, target: ['53', '54'], targets: { strategy: 'failover' } }).targetStats(), { length: 2 });
  t.like(server({ ...options, maxFlowsPerAddress: 5, openTimeoutMs: 100 }).datagramStats(), { flows: 0, carriers: 0 });
  t.is(client({ target: '53' }).datagramStats(), undefined);
});
