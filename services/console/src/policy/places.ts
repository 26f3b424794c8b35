/** Where the values of a JSON text stand, so that a fault that the server names by its JSON path can be shown in the editor. */

export interface TextPlace {
  /** Both count from 0, as the editor does. */
  row: number;
  column: number;
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gs;

/** The offset of every value by its path: "$", "$.Statement[0].Principal". A text that is no JSON gives what could be read. */
export function offsets(text: string): Map<string, number> {
  const found = new Map<string, number>();
  const tokens = [...text.matchAll(TOKEN)];
  let next = 0;

  function value(path: string): void {
    const token = tokens[next++];
    if (token === undefined) return;
    found.set(path, token.index);
    if (token[0] === "{") members(path);
    else if (token[0] === "[") items(path);
  }

  function members(path: string): void {
    for (;;) {
      const token = tokens[next++];
      if (token === undefined || token[0] === "}") return;
      if (token[0] === "," || tokens[next]?.[0] !== ":") continue;
      next += 1; // the colon
      value(`${path}.${named(token[0])}`);
    }
  }

  function items(path: string): void {
    for (let index = 0; ; ) {
      const token = tokens[next];
      if (token === undefined) return;
      if (token[0] === "]" || token[0] === ",") {
        next += 1;
        if (token[0] === "]") return;
        continue;
      }
      value(`${path}[${index++}]`);
    }
  }

  value("$");
  return found;
}

function named(token: string): string {
  try {
    return JSON.parse(token) as string;
  } catch {
    return token;
  }
}

/** Where a path stands in the text, or the nearest part around it: a path that names what is missing leads to its parent. A policy
 * may have one statement without a list around it, which the server counts as the first. */
export function placeOf(text: string, path: string): TextPlace {
  const all = offsets(text);
  let wanted = path;
  for (;;) {
    const offset = all.get(wanted) ?? all.get(wanted.replace("$.Statement[0]", "$.Statement"));
    if (offset !== undefined) return placeAt(text, offset);
    const shorter = wanted.replace(/(?:\.[^.[]*|\[\d+\])$/, "");
    if (shorter === wanted) return { row: 0, column: 0 };
    wanted = shorter;
  }
}

export function placeAt(text: string, offset: number): TextPlace {
  const before = text.slice(0, offset);
  const row = before.split("\n").length - 1;
  return { row, column: offset - (before.lastIndexOf("\n") + 1) };
}
