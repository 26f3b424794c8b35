/** What would be lost if its user left the page now: the browser and the console's own navigation ask first. */

import { useEffect } from "react";

let guarded: string | null = null;

/** Whether the user leaves. Asked before the console goes to another page. */
export function mayLeave(): boolean {
  if (guarded === null) return true;
  if (!confirm(guarded)) return false;
  guarded = null; // asked once
  return true;
}

/** While `loss` says what is lost by leaving; null: nothing. */
export function useLeaveGuard(loss: string | null): void {
  useEffect(() => {
    if (loss === null) return;
    guarded = loss;
    const unloading = (event: BeforeUnloadEvent) => event.preventDefault(); // the browser asks in its own words
    addEventListener("beforeunload", unloading);
    return () => {
      removeEventListener("beforeunload", unloading);
      guarded = null;
    };
  }, [loss]);
}
