/** What a refused credential means for the session that it belongs to. */

import { type Fault, isClock, isMismatch } from "../shown/fault";
import { type Ended, over, type Session } from "./session";

/** `asked` is the session whose request failed. */
export function endIfRefused(fault: Fault, asked: Session | null): void {
  if (fault.kind === "credential") over(asked, why(fault));
}

function why(fault: Fault): Ended {
  if (isClock(fault)) return "clock";
  if (fault.message.startsWith("The console session has ended: the user's password")) return "changed";
  if (fault.message.startsWith("The console session has ended: it was signed out")) return "ended";
  return isMismatch(fault) ? "altered" : "refused";
}
