import test from 'ava';
import { Notes } from '../../../src/cli/admin/notes.ts';
import type { Note } from '../../../src/cli/admin/report.ts';

const line = (level: number, msg: string) => JSON.stringify({ level, time: 1000, client: 'c', msg });

test('a line of the log becomes an event, with its level as a word', (t) => {
  const notes = new Notes(() => 0);
  notes.hear(line(30, 'client joined'));
  notes.hear(line(40, 'a warning'));
  notes.hear(line(50, 'an error'));
  t.deepEqual(notes.recent[0], {
    at: '1970-01-01T00:00:01.000Z',
    level: 'info',
    text: 'client joined',
    fields: { client: 'c' },
  });
  t.deepEqual(
    notes.recent.map(({ level }) => level),
    ['info', 'warn', 'error'],
  );
});

test('a flood is cut short, and the next line says by how much', (t) => {
  let now = 0;
  const notes = new Notes(() => now);
  const heard: Note[] = [];
  const forget = notes.onNote((note) => heard.push(note));
  for (let n = 0; n < 1000; n += 1) notes.hear(line(40, 'turned away'));
  t.is(heard.length, 20);
  now += 1000;
  notes.hear(line(30, 'later'));
  t.deepEqual(
    heard.slice(20).map(({ text }) => text),
    ['980 more in the log', 'later'],
  );
  forget();
  notes.hear(line(30, 'unheard'));
  t.is(heard.length, 22);
});

test('the latest fifty are kept', (t) => {
  let now = 0;
  const notes = new Notes(() => (now += 1000));
  for (let n = 1; n <= 70; n += 1) notes.hear(line(30, `line ${n}`));
  t.is(notes.recent.length, 50);
  t.is(notes.recent[0]?.text, 'line 21');
  t.is(notes.recent.at(-1)?.text, 'line 70');
});
