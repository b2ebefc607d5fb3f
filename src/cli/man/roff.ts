/** The few macros of man(7) that the manual page needs. */

/** A text that troff shows as it is. */
export function escaped(text: string): string {
  return text
    .replaceAll('\\', String.raw`\e`)
    .replaceAll('-', String.raw`\-`)
    .replaceAll(/^([.'])/gm, String.raw`\&$1`);
}

/** The same in short lines, which troff fills anew. */
export function prose(text: string): string {
  return escaped(text.replaceAll(/(?=.{68})(.{1,67}) /g, '$1\n'));
}

/** What is the same in any font: flags, commands, names. */
export function bold(text: string): string {
  return String.raw`\fB${escaped(text)}\fR`;
}

/** `--keep-alive <duration>`: the flag bold, what stands for a value in italics. */
export function term(text: string): string {
  return text
    .split(/([<[][^>\]]+[>\]])/)
    .map((part) => {
      if (!/^[<[]/.test(part)) return part.trim() === '' ? part : part.replace(/\S.*\S|\S/, bold);
      return part.startsWith('<')
        ? String.raw`\fI${escaped(part.slice(1, -1))}\fR`
        : String.raw`[\fI${escaped(part.slice(1, -1))}\fR]`;
    })
    .join('');
}

export function section(title: string, ...body: readonly string[]): string {
  return `.SH ${title.toUpperCase()}\n${begun(body)}`;
}

export function subsection(title: string, ...body: readonly string[]): string {
  return `.SS ${escaped(title)}\n${begun(body)}`;
}

/** The first paragraph of a part needs no macro. */
function begun(body: readonly string[]): string {
  return body.join('').replace(/^\.PP\n/, '');
}

export function paragraph(text: string): string {
  return `.PP\n${prose(text)}\n`;
}

/** A term, already in troff, and what it means. */
export function item(shown: string, text: string): string {
  return `.TP\n${shown}\n${prose(text)}\n`;
}

/** Lines as they are. */
export function example(lines: readonly string[]): string {
  return `.PP\n.nf\n.RS 4\n${lines.map((line) => `${escaped(line)}\n`).join('')}.RE\n.fi\n`;
}
