/** When the question of a page was asked. "The last hour" ends then: neither when the page was opened, which may be hours ago, nor
 * at each render, which would ask again all the time. */

import { useState } from "react";

/** `question`: the page's query. Another one is asked now, and so is the same one where the second result is called. */
export function useAskedAt(question: string): [number, () => void] {
  const [kept, setKept] = useState(() => askedNow(question));
  let asked = kept;
  if (kept.question !== question) {
    asked = askedNow(question);
    setKept(asked);
  }
  return [asked.at, () => setKept(askedNow(question))];
}

function askedNow(question: string): { question: string; at: number } {
  return { question, at: Date.now() };
}
