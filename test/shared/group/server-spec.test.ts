import test from 'ava';
import { parseServerSpec, type ServerSpec } from '../../../src/shared/group/server-spec.ts';

const readable: [text: string, spec: ServerSpec][] = [
  ['example.org:7000', { kind: 'fixed', address: { host: 'example.org', port: 7000 } }],
  ['127.0.0.1:7000', { kind: 'fixed', address: { host: '127.0.0.1', port: 7000 } }],
  ['[::1]:7000', { kind: 'fixed', address: { host: '::1', port: 7000 } }],
  ['dns:pool.example.org:7000', { kind: 'dns', host: 'pool.example.org', port: 7000 }],
  ['srv:_poold._tcp.example.org', { kind: 'srv', name: '_poold._tcp.example.org' }],
  ['srv:_poold-2._tcp.a.b.', { kind: 'srv', name: '_poold-2._tcp.a.b.' }],
];

for (const [text, spec] of readable) {
  test(`${text} is read`, (t) => {
    t.deepEqual(parseServerSpec(text), spec);
  });
}

const refusals: [text: string, problem: RegExp][] = [
  ['', /has no port/],
  ['7000', /has no host/],
  ['example.org', /has no port/],
  ['unix:/run/poold.sock', /is no server on the network; write host:port/],
  ['dns:', /is not dns:host:port: "" has no port/],
  ['dns:7000', /is not dns:host:port: "7000" has no host/],
  ['dns:example.org', /is not dns:host:port: "example\.org" has no port/],
  ['dns:example.org:0', /has port 0/],
  ['dns:10.0.0.1:7000', /has nothing to resolve; write the address without "dns:"/],
  ['dns:[::1]:7000', /has nothing to resolve/],
  ['dns:unix:/run/poold.sock', /is no server on the network/],
  ['srv:example.org', /is not a service; write srv:_name\._tcp\.domain/],
  ['srv:_poold._udp.example.org', /is not a service/],
  ['srv:_poold._tcp.', /is not a service/],
  ['srv:_poold._tcp.example.org:7000', /is not a service.*the ports are in its records/],
  ['srv:_poold._tcp.10.0.0.1', /is not a service/],
  ['srv:_poold._tcp.[::1]', /is not a service/],
  ['srv:_a-name-of-16-chrs._tcp.example.org', /is not a service/],
  ['https://example.org:7000', /is a URL/],
];

for (const [text, problem] of refusals) {
  test(`${JSON.stringify(text)} is refused, and the message says why`, (t) => {
    const error = t.throws(() => parseServerSpec(text), { instanceOf: RangeError, message: problem });
    t.true(error.message.startsWith(`"${text}"`));
  });
}
