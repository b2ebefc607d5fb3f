import { PassThrough } from 'node:stream';
import test from 'ava';
import { channelBinding } from '../../../src/shared/tls/exporter.ts';
import { selfSignedMaterial } from '../../../src/shared/tls/self-signed.ts';
import { clientTlsSettings, serverTlsSettings } from '../../../src/shared/tls/modes.ts';
import { tlsPair } from '../../helpers/tls-pair.ts';

test('both ends of a TLS connection have the same binding, and no other connection has it', async (t) => {
  const server = serverTlsSettings({ mode: 1 }, await selfSignedMaterial());
  const client = clientTlsSettings({ mode: 1 }, '127.0.0.1') ?? {};
  await using first = await tlsPair(server, client);
  await using second = await tlsPair(server, client);

  const binding = channelBinding(first.client);
  t.is(binding.length, 32);
  t.deepEqual(channelBinding(first.server), binding);
  t.notDeepEqual(channelBinding(second.client), binding);
  t.deepEqual(binding, first.client.exportKeyingMaterial(32, 'EXPORTER-poold', Buffer.alloc(0)));
});

test('without TLS the binding is all zero', (t) => {
  t.deepEqual(channelBinding(new PassThrough()), Buffer.alloc(32));
});
