/** A change that a click makes: one at a time, with what went wrong. A refused credential ends the session, as in useAnswer. */

import { useEffect, useRef, useState } from "react";

import { endIfRefused } from "../session/refused";
import { current } from "../session/session";
import { type Fault, faultOf } from "./fault";

export interface Act {
  busy: boolean;
  fault: Fault | null;
  /** Do it, then `done`. While it is under way, another call does nothing: a double click is one change. */
  run: <T>(work: () => Promise<T>, done?: (made: T) => void) => void;
  clear: () => void;
}

export function useAct(): Act {
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState<Fault | null>(null);
  const under = useRef(false);
  const here = useRef(true);
  useEffect(() => {
    here.current = true;
    return () => {
      here.current = false;
    };
  }, []);

  async function act<T>(work: () => Promise<T>, done?: (made: T) => void): Promise<void> {
    if (under.current) return;
    under.current = true;
    setBusy(true);
    setFault(null);
    const asked = current();
    try {
      const made = await work();
      if (here.current) done?.(made);
    } catch (thrown) {
      const found = faultOf(thrown);
      endIfRefused(found, asked);
      if (here.current) setFault(found);
    } finally {
      under.current = false;
      if (here.current) setBusy(false);
    }
  }
  return { busy, fault, run: (work, done) => void act(work, done), clear: () => setFault(null) };
}
