/** How many calls an export would have, as far as that is known. */

import type { Answer } from "../shown/answer";

export type Counted = Answer<{ items: readonly { calls: number }[] }>;

/** null: not known, or not yet. */
export function callsOf(counted: Counted): number | null {
  return counted.state === "there" ? counted.value.items.reduce((sum, each) => sum + each.calls, 0) : null;
}

/** Quotes the server: show it with `visible`. */
export function callsWords(counted: Counted): string {
  const calls = callsOf(counted);
  const which = "with the filters and the span of this page, in the order of time.";
  if (calls !== null) return `${calls.toLocaleString()} ${calls === 1 ? "call" : "calls"} ${which}`;
  if (counted.state !== "fault") return `Counting the calls… ${which}`;
  return `The calls ${which} How many there are is not known: ${counted.fault.message}`;
}
