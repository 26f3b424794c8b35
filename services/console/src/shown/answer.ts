/** A page's data: asked when the page opens, again when what it asks for changes, and again while the server is away. */

import { useCallback, useEffect, useReducer, useState } from "react";

import { endIfRefused } from "../session/refused";
import { current } from "../session/session";
import { type Fault, faultOf, isAbort } from "./fault";

export type Answer<T> =
  | { state: "loading"; value: T | null }
  | { state: "there"; value: T }
  | { state: "fault"; value: T | null; fault: Fault };

const PAUSES = [500, 1000, 2000, 4000, 8000];

/** Ask `load`, and again whenever `question` (a text that stands for everything that `load` reads) changes. The former answer
 * stays in `value` meanwhile. The second result asks again. */
export function useAnswer<T>(question: string, load: (signal: AbortSignal) => Promise<T>): [Answer<T>, () => void] {
  const [answer, setAnswer] = useState<Answer<T>>({ state: "loading", value: null });
  const [round, again] = useReducer((count: number) => count + 1, 0);
  // eslint-disable-next-line react-hooks/exhaustive-deps, react-hooks/use-memo -- `question` stands for what `load` reads
  const ask = useCallback(load, [question]);

  useEffect(() => {
    const leaving = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const once = async (tried: number): Promise<void> => {
      const asked = current();
      try {
        const value = await ask(leaving.signal);
        if (!leaving.signal.aborted) setAnswer({ state: "there", value });
      } catch (thrown) {
        if (leaving.signal.aborted || isAbort(thrown)) return;
        const fault = faultOf(thrown);
        endIfRefused(fault, asked);
        setAnswer((before) => ({ state: "fault", value: before.value, fault }));
        if (fault.kind === "unreachable" || fault.kind === "busy") {
          const pause = PAUSES[Math.min(tried, PAUSES.length - 1)];
          timer = setTimeout(() => void once(tried + 1), pause);
        }
      }
    };
    // eslint-disable-next-line react-hooks/set-state-in-effect -- the question changed: what is shown is no longer its answer
    setAnswer((before) => ({ state: "loading", value: before.value }));
    void once(0);
    return () => {
      leaving.abort();
      clearTimeout(timer);
    };
  }, [ask, round]);

  return [answer, again];
}
