/** Keytrail is told that a user signed out: it ends the session, so that nobody who copied the credential can go on with it. The
 * browser forgets the credential in any case, and at once. */

import { useSyncExternalStore } from "react";

import { faultOf } from "../shown/fault";
import { V1 } from "../v1/client";
import { type Session, whenLeft } from "./session";

/** Whether Keytrail ended the session, or how long a copy of its credential may work. Null while nobody knows. */
export type Farewell = "ended" | { until: string } | null;

let farewell: Farewell = null;
const listeners = new Set<() => void>();

function say(to: Farewell): void {
  farewell = to;
  for (const each of listeners) each();
}

/** The codes with which Keytrail refuses a credential whatever the request says. */
const OVER = ["UnrecognizedClientException", "ExpiredTokenException"];

/** Whether a session is over for Keytrail, too. It may have been over before: signed out by another tab, or its time was up. */
export async function endedAtKeytrail(session: Session): Promise<boolean> {
  try {
    await new V1(session).signOut();
    return true;
  } catch (thrown) {
    return OVER.includes(faultOf(thrown).code);
  }
}

whenLeft((session) => {
  say(null);
  if (session === null) return;
  const { expires } = session;
  void endedAtKeytrail(session).then((ended) => say(ended ? "ended" : { until: expires }));
});

export function useFarewell(): Farewell {
  return useSyncExternalStore(
    (changed) => {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
    () => farewell,
  );
}
