import type { AdminSettings } from '../admin-flags.ts';
import type { ExitCode } from '../exit-codes.ts';
import type { Admin } from './admin.ts';
import type { StatusReport } from './report.ts';

/** Runs a command with its admin address, if it is to have one, and closes that however the command ends. */
export async function withAdmin(
  settings: AdminSettings | undefined,
  role: StatusReport['role'],
  run: (admin: Admin | undefined) => Promise<ExitCode>,
): Promise<ExitCode> {
  if (settings === undefined) return run(undefined);
  // Imported late: without it a command neither loads nor counts anything.
  const { Admin: AdminClass } = await import('./admin.ts');
  const admin = new AdminClass(settings, role);
  try {
    return await run(admin);
  } finally {
    admin.close();
  }
}
