/** Of lines that come the oldest first, the newest ones: a reader looks for what happened last. */

export const MOST = 2000;

/** Adds a line, and drops the oldest if there are too many. Whether it dropped one. */
export function addNewest<L>(lines: L[], line: L): boolean {
  lines.push(line);
  if (lines.length <= MOST) return false;
  lines.shift();
  return true;
}
