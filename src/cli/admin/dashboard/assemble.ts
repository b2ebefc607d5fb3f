/** The dashboard as one answer: markup, style and code in one page, and a policy that lets nothing else run. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { CSS } from './page-css.ts';
import { makeHtml } from './page-html.ts';

export interface Page {
  readonly html: string;
  /** Its Content-Security-Policy. */
  readonly policy: string;
}

/** The modules of the page, each after those that it imports. `npm run build` makes them of the files of the same name. */
const MODULES = [
  '../../../shared/telemetry/histogram.js',
  '../format.js',
  './page/history.js',
  './page/dom.js',
  './page/stream.js',
  './page/chart.js',
  './page/picture.js',
  './page/tables.js',
  './page/tunnel-view.js',
  './page/balance-view.js',
  './page/main.js',
];

export function makePage(): Page {
  const resolve = createRequire(import.meta.url).resolve;
  const read = (file: string | URL): string => readFileSync(file, 'utf8');
  const modules = MODULES.map((module) => read(new URL(module, import.meta.url)));
  const style = `${read(resolve('uplot/dist/uPlot.min.css'))}\n${CSS}`;
  const script = `${read(resolve('uplot/dist/uPlot.iife.min.js'))}\n(() => {\n'use strict';\n${modules.map(inOneScope).join('\n')}\n})();`;
  // It would end the script in the middle.
  if (script.includes('</script')) throw new Error('the dashboard has a </script in its code');
  const policy = [
    "default-src 'none'",
    `script-src '${hashOf(script)}'`,
    `style-src '${hashOf(style)}'`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
  return { html: makeHtml(style, script), policy };
}

/** A module's code without its imports and exports: all modules of the page share one scope. */
function inOneScope(code: string): string {
  return code
    .replaceAll(/^import [^;]*;\n/gm, '')
    .replaceAll(/^export \{[^}]*\};?\n/gm, '')
    .replaceAll(/^export /gm, '')
    .replaceAll(/^\/\/# sourceMappingURL=.*\n?/gm, '');
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}
