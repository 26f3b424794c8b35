/** An answer that comes line by line: the lines so far, how far the server is, and the result. Asked again when the question
 * changes; leaving the page ends the request. */

import { useCallback, useEffect, useReducer, useState } from "react";

import { endIfRefused } from "../session/refused";
import { current } from "../session/session";
import { type Fault, faultOf, isAbort } from "./fault";
import { addNewest } from "./newest";

export interface LinesAnswer<L, R> {
  state: "loading" | "there" | "fault";
  /** The newest of them, in the order in which they came. */
  lines: readonly L[];
  /** Whether more came than are kept. */
  cut: boolean;
  done: number | null;
  of: number | null;
  result: R | null;
  began: string | null;
  fault: Fault | null;
}

/** One line, as the server sends it: some have progress, some are what was asked for, the last has the result. */
interface Sent<R> {
  done?: number;
  of?: number;
  result?: R;
  began?: string | null;
}

const DRAWN_EVERY = 100; // milliseconds

const NOTHING = { state: "loading", lines: [], cut: false, done: null, of: null, result: null, began: null, fault: null } as const;

export function useLines<L, R>(
  question: string,
  load: (signal: AbortSignal) => AsyncGenerator,
  wanted: (line: Record<string, unknown>) => boolean,
): [LinesAnswer<L, R>, () => void] {
  const [held, setHeld] = useState<{ question: string; answer: LinesAnswer<L, R> }>({ question, answer: NOTHING });
  const [round, again] = useReducer((count: number) => count + 1, 0);
  const name = `${round} ${question}`;
  // eslint-disable-next-line react-hooks/exhaustive-deps, react-hooks/use-memo -- `question` stands for what both read
  const ask = useCallback(load, [name]);
  // eslint-disable-next-line react-hooks/exhaustive-deps, react-hooks/use-memo -- the same
  const isWanted = useCallback(wanted, [name]);

  useEffect(() => {
    const leaving = new AbortController();
    let answer: LinesAnswer<L, R> = NOTHING;
    const lines: L[] = [];
    let drawn = 0;
    const draw = (): void => {
      drawn = performance.now();
      setHeld({ question: name, answer: { ...answer, lines: [...lines] } });
    };
    const follow = async (): Promise<void> => {
      const asked = current();
      try {
        for await (const line of ask(leaving.signal)) {
          const { done, of, result, began } = line as Sent<R>;
          if (isWanted(line as Record<string, unknown>)) {
            const dropped = addNewest(lines, line as L);
            answer = { ...answer, cut: answer.cut || dropped };
          }
          answer = {
            ...answer,
            done: done ?? answer.done,
            of: of ?? answer.of,
            result: result ?? answer.result,
            began: began ?? answer.began,
          };
          if (performance.now() - drawn > DRAWN_EVERY) draw();
        }
        answer = { ...answer, state: "there" };
      } catch (thrown) {
        if (leaving.signal.aborted || isAbort(thrown)) return;
        const fault = faultOf(thrown);
        endIfRefused(fault, asked);
        answer = { ...answer, state: "fault", fault };
      }
      if (!leaving.signal.aborted) draw();
    };
    void follow();
    return () => leaving.abort();
  }, [ask, isWanted, name]);

  return [held.question === name ? held.answer : NOTHING, again];
}
