/** Text that a caller wrote, in a form that a person may see. It goes into the page as text, never as HTML; but characters that
 * reorder a line, or that show nothing, could still make one name look like another. Each becomes its escape, as in
 * domain/characters.py, which the command line uses. */

// Other (controls, formats with the bidirectional ones, surrogates, private use, unassigned), separators but for the space, and
// what shows nothing: default-ignorable code points, and the empty Braille pattern.
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]|(?! )\p{Zs}/gu;

export function visible(text: string, { lines = false } = {}): string {
  return text.replace(UNSEEN, (each) => (lines && (each === "\n" || each === "\t") ? each : escaped(each)));
}

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const hex = code.toString(16);
  if (code < 0x100) return SHORT[character] ?? `\\x${hex.padStart(2, "0")}`;
  return code < 0x10000 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}
