/** `npm run schema`, after a change of flags: writes the schema of configuration files. */
import { writeFileSync } from 'node:fs';
import { fileSchema } from './schema/file-schema.ts';

writeFileSync(
  new URL('../../schema/poold.schema.json', import.meta.url),
  `${JSON.stringify(fileSchema(), undefined, 2)}\n`,
);
