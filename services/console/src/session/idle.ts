/** A session that nobody uses is forgotten, and so is one whose time is over, or whose user signed out while this page was frozen. */

import { keytrailNow } from "./clock";
import { isIdle, used } from "./last-use";
import { current, end, endIfSignedOut, keepUse, over } from "./session";

const LOOK_EVERY = 15_000;
const SIGNS_OF_LIFE = ["pointerdown", "keydown", "wheel", "touchstart"] as const;
/** When a page comes back: from another tab, or out of the browser's memory of pages. */
const RETURNS = ["visibilitychange", "pageshow"] as const;

function look(): void {
  endIfSignedOut();
  const session = current();
  if (session !== null && keytrailNow() >= Date.parse(session.expires)) over(session, "expired");
  if (isIdle()) end("idle");
  else keepUse();
}

/** A session that is over already is not brought back by a click: after a computer's sleep, it comes before the first look. */
function alive(): void {
  look();
  used();
}

/** Watch until the returned function is called. Compares clock times, since timers stand still while a computer sleeps. */
export function watchSession(): () => void {
  for (const each of SIGNS_OF_LIFE) addEventListener(each, alive, { passive: true, capture: true });
  for (const each of RETURNS) addEventListener(each, look);
  const timer = setInterval(look, LOOK_EVERY);
  return () => {
    for (const each of SIGNS_OF_LIFE) removeEventListener(each, alive, { capture: true });
    for (const each of RETURNS) removeEventListener(each, look);
    clearInterval(timer);
  };
}
