/** A page's data: asked when the page opens, again when what it asks for changes, and again while the server is away. */

import { useCallback, useEffect, useReducer, useState } from "react";

import { endIfRefused } from "../session/refused";
import { current } from "../session/session";
import { type Fault, faultOf, isAbort, isPassing, repeated } from "./fault";

export type Answer<T> =
  | { state: "loading"; value: T | null }
  | { state: "there"; value: T }
  | { state: "fault"; value: T | null; fault: Fault };

const NOTHING = { state: "loading", value: null } as const;
const PAUSES = [500, 1000, 2000, 4000, 8000];

interface Kept<T> {
  question: string;
  answer: Answer<T>;
}

/** Ask `load`, and again whenever `question` (a text that stands for everything that `load` reads) or `round` changes.
 *
 * A larger `round` is the same question asked again: its former answer stays in `value` meanwhile, so a table keeps its rows. Another
 * question begins with nothing: the answer to the one before is not its answer, and a page would show it under the new heading.
 * The second result asks again. */
export function useAnswer<T>(question: string, load: (signal: AbortSignal) => Promise<T>, round = 0): [Answer<T>, () => void] {
  const [kept, setKept] = useState<Kept<T>>({ question, answer: NOTHING });
  const [pressed, again] = useReducer((count: number) => count + 1, 0);
  // eslint-disable-next-line react-hooks/exhaustive-deps, react-hooks/use-memo -- `question` stands for what `load` reads
  const ask = useCallback(load, [question, round]);

  useEffect(() => {
    const leaving = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const keep = (next: (value: T | null) => Answer<T>): void =>
      setKept((before) => ({ question, answer: next(before.question === question ? before.answer.value : null) }));
    const once = async (tried: number): Promise<void> => {
      const asked = current();
      try {
        const value = await ask(leaving.signal);
        if (!leaving.signal.aborted) keep(() => ({ state: "there", value }));
      } catch (thrown) {
        if (leaving.signal.aborted || isAbort(thrown)) return;
        const fault = faultOf(thrown);
        endIfRefused(fault, asked);
        const passing = isPassing(fault);
        keep((value) => ({ state: "fault", value, fault: passing ? repeated(fault) : fault }));
        if (passing) {
          const pause = PAUSES[Math.min(tried, PAUSES.length - 1)];
          timer = setTimeout(() => void once(tried + 1), pause);
        }
      }
    };
    keep((value) => ({ state: "loading", value }));
    void once(0);
    return () => {
      leaving.abort();
      clearTimeout(timer);
    };
  }, [question, ask, pressed]);

  return [kept.question === question ? kept.answer : NOTHING, again];
}
