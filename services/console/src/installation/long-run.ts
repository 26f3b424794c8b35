/** A long question that runs when its button is pressed: its progress, its result, and how it ended. Leaving the page ends it, and
 * so does `stop`; the server stops working when nobody reads. */

import { useEffect, useRef, useState } from "react";

import { endIfRefused } from "../session/refused";
import { current } from "../session/session";
import { type Fault, faultOf, isAbort } from "../shown/fault";

export interface Progress {
  /** "" where the question has one step only. */
  step: string;
  done: number;
  of: number;
}

export interface LongRun<R> {
  state: "not run" | "running" | "there" | "fault" | "stopped";
  progress: Progress;
  result: R | null;
  fault: Fault | null;
}

const BEGUN: Progress = { step: "", done: 0, of: 0 };

export function useLongRun<R>(load: (signal: AbortSignal) => AsyncGenerator): [LongRun<R>, () => void, () => void] {
  const [run, setRun] = useState<LongRun<R>>({ state: "not run", progress: BEGUN, result: null, fault: null });
  const leaving = useRef<AbortController | null>(null);
  useEffect(() => () => leaving.current?.abort(), []);

  const follow = async (signal: AbortSignal): Promise<void> => {
    const asked = current();
    try {
      for await (const line of load(signal)) {
        const { step, done, of, result } = line as Partial<Progress> & { result?: R };
        if (done !== undefined) setRun((now) => ({ ...now, progress: { step: step ?? "", done, of: of ?? 0 } }));
        if (result !== undefined) setRun((now) => ({ ...now, state: "there", result }));
      }
    } catch (thrown) {
      if (signal.aborted || isAbort(thrown)) return;
      const fault = faultOf(thrown);
      endIfRefused(fault, asked);
      setRun((now) => ({ ...now, state: "fault", fault }));
    }
  };

  const start = (): void => {
    leaving.current?.abort();
    leaving.current = new AbortController();
    setRun({ state: "running", progress: BEGUN, result: null, fault: null });
    void follow(leaving.current.signal);
  };
  const stop = (): void => {
    leaving.current?.abort();
    setRun((now) => ({ ...now, state: "stopped" }));
  };
  return [run, start, stop];
}

export function percent({ done, of }: Progress): number {
  return of === 0 ? 0 : Math.min(100, (100 * done) / of);
}
