/** Alerts as they are raised. The stream is opened again after a failure, and goes on after the last number that came. */

import { useEffect, useState } from "react";

import { endIfRefused } from "../session/refused";
import { current } from "../session/session";
import { faultOf } from "../shown/fault";
import { type ItemOf, v1 } from "../v1/client";
import type { AlertFilters } from "./filters";
import { whileHeard } from "./silence";

export type RaisedAlert = ItemOf<"/v1/alerts">;

export interface LiveAlerts {
  /** The newest first, since the page was opened. */
  raised: readonly RaisedAlert[];
  /** refused: the user may not read alerts; the list says it. */
  state: "opening" | "open" | "waiting" | "refused";
}

const PAUSES = [500, 1000, 2000, 4000, 8000];
/** More than this many came while the page was open: the oldest of them are dropped, and are in the list after a reload. */
export const MOST_KEPT = 500;
const NOTHING: LiveAlerts = { raised: [], state: "opening" };

/** `from`: the alert after which the stream begins, null for none. Another `round` forgets what came. */
export function useLiveAlerts(filters: AlertFilters, from: number | null, round: number): LiveAlerts {
  const question = JSON.stringify([filters, from, round]);
  const [kept, setKept] = useState<{ question: string; live: LiveAlerts }>({ question, live: NOTHING });
  useEffect(() => {
    if (from === null) return;
    const leaving = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let [after, tried] = [from, 0];
    const change = (to: (live: LiveAlerts) => LiveAlerts): void =>
      setKept((before) => ({ question, live: to(before.question === question ? before.live : NOTHING) }));
    const follow = async (): Promise<void> => {
      const asked = current();
      const connection = whileHeard(leaving.signal);
      try {
        const query = { ...filters, after: String(after) };
        for await (const { id, event, data } of v1().events("/v1/alerts/stream", { query }, connection.signal)) {
          connection.heard();
          change((live) => (live.state === "open" ? live : { ...live, state: "open" }));
          if (id !== "") after = Number(id);
          if (event !== "alert") continue;
          tried = 0;
          change((live) => ({ ...live, raised: [data as RaisedAlert, ...live.raised].slice(0, MOST_KEPT) }));
        }
      } catch (thrown) {
        if (leaving.signal.aborted) return;
        const fault = faultOf(thrown); // of a silent connection: that it was aborted
        endIfRefused(fault, asked);
        const { kind, code } = fault;
        if (code === "InvalidMarkerException") {
          after = -1; // a restored log, whose numbers begin anew: all of its alerts are new to this page
        } else if (kind === "refused" || kind === "invalid" || kind === "not there") {
          change((live) => ({ ...live, state: "refused" }));
          return;
        }
      } finally {
        connection.over();
      }
      if (leaving.signal.aborted) return;
      change((live) => ({ ...live, state: "waiting" }));
      timer = setTimeout(() => void follow(), PAUSES[Math.min(tried++, PAUSES.length - 1)]);
    };
    void follow();
    return () => {
      leaving.abort();
      clearTimeout(timer);
    };
    // eslint-disable-next-line react-hooks/exhaustive-deps -- `question` stands for the filters and the beginning
  }, [question]);
  return kept.question === question ? kept.live : NOTHING;
}

/** The list with what came since it was asked for; an alert that is in both stands once. */
export function merged<T extends { id: string }>(raised: readonly T[], listed: readonly T[]): T[] {
  const known = new Set(listed.map((each) => each.id));
  return [...raised.filter((each) => !known.has(each.id)), ...listed];
}
