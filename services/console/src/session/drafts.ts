/** Texts that are being written. Each stays in this tab's sessionStorage, under a name of its own, until it is sent or given up: a
 * reload, or a session whose time is up, loses none. Signing out forgets them all, and so does the sign-in of anybody else. A tab that
 * was closed when its user signed out forgets them when it comes back. */

import { isStay, isStayOver, type Stay } from "./stay";

/** How the name of every draft begins. */
export const DRAFT = "keytrail.draft.";
const AUTHOR = "keytrail.drafts-of";

export function forgetDrafts(): void {
  for (const name of Object.keys(sessionStorage)) {
    if (name.startsWith(DRAFT) || name === AUTHOR) sessionStorage.removeItem(name);
  }
}

/** The user of this stay works here from now on. */
export function keepDraftsOf(stay: Stay): void {
  const author = JSON.stringify(stay);
  if (sessionStorage.getItem(AUTHOR) !== author) forgetDrafts();
  sessionStorage.setItem(AUTHOR, author);
}

/** Forget drafts whose author signed out since. */
export function forgetDraftsOfFormerStay(): void {
  const author = sessionStorage.getItem(AUTHOR);
  if (author !== null && !isOfPresentStay(author)) forgetDrafts();
}

function isOfPresentStay(author: string): boolean {
  try {
    const stay: unknown = JSON.parse(author);
    return isStay(stay) && !isStayOver(stay);
  } catch {
    return false; // of a former version of the console
  }
}
