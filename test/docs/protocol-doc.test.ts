import { readFile } from 'node:fs/promises';
import test from 'ava';
import { FrameType, payloadLimit, ResetCode } from '../../src/shared/wire/frame.ts';

// ava runs in the project's root.
const page = await readFile('docs/protocol.md', 'utf8');

/** The text below a heading, up to the next heading of its own level or above. */
function section(heading: string): string {
  const start = page.indexOf(`\n${heading}\n`);
  if (start === -1) throw new Error(`docs/protocol.md has no heading "${heading}"`);
  const level = heading.indexOf(' ');
  const [text = ''] = page.slice(start + heading.length + 1).split(new RegExp(`^#{1,${level}} `, 'm'));
  return text;
}

/** The cells of all table rows in `text` whose first cell looks like `first`. */
function rows(text: string, first: RegExp): string[][] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) =>
      line
        .slice(2)
        .split(' | ')
        .map((cell) => cell.replace(/ \|$/, '').trim()),
    )
    .filter(([cell = '']) => first.test(cell));
}

test('the page lists the frame types of the code with their limits, no more and no less', (t) => {
  const told = rows(section('## Frames'), /^0x/).map((cells) => cells.slice(0, 3));
  const coded = Object.entries(FrameType).map(([name, type]) => [
    `0x${type.toString(16).padStart(2, '0')}`,
    name.toUpperCase(),
    `${payloadLimit(type) / 1024} KiB`,
  ]);
  t.deepEqual(told, coded);
});

test('the page lists the RESET codes of the code, no more and no less', (t) => {
  const told = rows(section('### RESET codes'), /^\d+$/).map((cells) => cells.slice(0, 2));
  const coded = Object.entries(ResetCode).map(([name, code]) => [
    String(code),
    name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`),
  ]);
  t.deepEqual(told, coded);
});
