/** An admin address in this process, over both ends of a real tunnel. */
import type { AdminSettings } from '../../src/cli/admin-flags.ts';
import { AdminServer } from '../../src/cli/admin/admin-server.ts';
import { LocalSource } from '../../src/cli/admin/local-source.ts';
import { Notes } from '../../src/cli/admin/notes.ts';
import { type Pair, startPair } from './pair.ts';
import { echo, startTarget, type Target } from './targets.ts';

export interface AdminPair extends AsyncDisposable {
  readonly admin: AdminServer;
  readonly source: LocalSource;
  readonly notes: Notes;
  readonly pair: Pair;
  readonly port: number;
}

export const ADMIN: AdminSettings = { listen: { host: '127.0.0.1', port: 0 }, hosts: [], tokens: [], warnings: [] };

export async function startAdminPair(settings: Partial<AdminSettings> = {}): Promise<AdminPair> {
  const target: Target = await startTarget(echo);
  const pair = await startPair({ target: target.port, client: { minCapacity: 4, maxCapacity: 16 } });
  const source = new LocalSource('demo');
  source.watchServer('web', pair.server);
  source.watchClient('web', pair.client);
  const notes = new Notes(() => performance.now());
  const admin = new AdminServer({ ...ADMIN, ...settings }, source, notes);
  await admin.start();
  return {
    admin,
    source,
    notes,
    pair,
    port: admin.address?.port ?? 0,
    async [Symbol.asyncDispose]() {
      admin.close();
      await pair[Symbol.asyncDispose]();
      await target[Symbol.asyncDispose]();
    },
  };
}
