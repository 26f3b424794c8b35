/** The one text of a proof's document that a verifier takes: sorted members, no spaces, a line break at its end. The server's answer
 * may have another text, so it is written anew here, as `written` of domain/transparency/proofs.py does. */

/** Raises RangeError for what cannot be written exactly as it came. */
export function written(document: unknown): string {
  return `${textOf(document)}\n`;
}

function textOf(value: unknown): string {
  if (value === null || typeof value === "string" || typeof value === "boolean") return JSON.stringify(value);
  if (typeof value === "number") {
    // JSON.parse has rounded any other number, and Python writes fractions in its own way.
    if (!Number.isSafeInteger(value)) throw new RangeError(`the number ${value} cannot be written exactly as it came`);
    return String(value);
  }
  if (Array.isArray(value)) return `[${value.map(textOf).join(",")}]`;
  if (typeof value !== "object") throw new RangeError(`${typeof value} is no JSON`);
  const members = Object.entries(value).sort(([one], [other]) => byCodePoint(one, other));
  // Text is put together, not an object: an object has members that look like numbers before all others.
  return `{${members.map(([name, each]) => `${JSON.stringify(name)}:${textOf(each)}`).join(",")}}`;
}

/** As Python orders text. JavaScript's `<` compares halves of a character that is beyond U+FFFF. */
function byCodePoint(one: string, other: string): number {
  const [left, right] = [Array.from(one), Array.from(other)];
  for (let at = 0; at < Math.min(left.length, right.length); at += 1) {
    const apart = (left[at]?.codePointAt(0) ?? 0) - (right[at]?.codePointAt(0) ?? 0);
    if (apart !== 0) return apart;
  }
  return left.length - right.length;
}
