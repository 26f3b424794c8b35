/** Texts that are being written. Each stays in this tab's sessionStorage, under a name of its own, until it is sent or given up: a
 * reload, or a session whose time is up, loses none. Signing out forgets them all, and so does the sign-in of anybody else. */

/** How the name of every draft begins. */
export const DRAFT = "keytrail.draft.";
const AUTHOR = "keytrail.drafts-of";

export function forgetDrafts(): void {
  for (const name of Object.keys(sessionStorage)) {
    if (name.startsWith(DRAFT) || name === AUTHOR) sessionStorage.removeItem(name);
  }
}

/** This user works here from now on. */
export function keepDraftsOf(arn: string): void {
  if (sessionStorage.getItem(AUTHOR) !== arn) forgetDrafts();
  sessionStorage.setItem(AUTHOR, arn);
}
