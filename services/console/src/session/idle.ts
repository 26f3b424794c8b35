/** A session that nobody uses is forgotten, and so is one whose time is over. */

import { keytrailNow } from "./clock";
import { current, end, over } from "./session";

export const IDLE_MINUTES = 30;
const LOOK_EVERY = 15_000;
const SIGNS_OF_LIFE = ["pointerdown", "keydown", "wheel", "touchstart"] as const;

/** Watch until the returned function is called. Compares clock times, since timers stand still while a computer sleeps. */
export function watchSession(now: () => number = Date.now): () => void {
  let last = now();
  const alive = () => {
    last = now();
  };
  const look = () => {
    const session = current();
    if (session !== null && keytrailNow(now()) >= Date.parse(session.expires)) over(session, "expired");
    if (now() - last >= IDLE_MINUTES * 60_000) end("idle");
  };
  for (const each of SIGNS_OF_LIFE) addEventListener(each, alive, { passive: true, capture: true });
  addEventListener("visibilitychange", look);
  const timer = setInterval(look, LOOK_EVERY);
  return () => {
    for (const each of SIGNS_OF_LIFE) removeEventListener(each, alive, { capture: true });
    removeEventListener("visibilitychange", look);
    clearInterval(timer);
  };
}
