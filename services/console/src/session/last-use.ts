/** When somebody last did something in this tab. Where the tab keeps its session through a reload, this time is kept beside it: a
 * page's memory ends with the page, and a browser brings sessionStorage back with a tab that it had discarded or closed. */

export const IDLE_MINUTES = 30;
const KEPT = "keytrail.last-use";

let last = Date.now();

export function used(): void {
  last = Date.now();
}

export function isIdle(): boolean {
  return isOver(last);
}

export function keepLastUse(): void {
  sessionStorage.setItem(KEPT, String(last));
}

export function forgetLastUse(): void {
  sessionStorage.removeItem(KEPT);
}

/** Whether nobody used the tab for too long before this page was opened in it. */
export function wasIdle(): boolean {
  const kept = sessionStorage.getItem(KEPT);
  return kept === null || !/^\d+$/.test(kept) || isOver(Number(kept));
}

function isOver(since: number): boolean {
  return Date.now() - since >= IDLE_MINUTES * 60_000;
}
