/** A user's stay in this browser: it begins when they sign in, in whichever tab, and ends when they sign out in any.
 *
 * A tab that is closed, discarded or frozen at that time hears nothing of it, and the browser may bring it back with its
 * sessionStorage. So the id of the stay is in localStorage until the sign-out, and every tab compares it with the id that it kept
 * beside its session. The id opens nothing. The time of the last sign-out would serve as well until somebody sets the clock back; and
 * it would leave the name of whoever signed out in the browser.
 */

const STAY = "keytrail.stay.";
const OVER = "over ";

export interface Stay {
  arn: string;
  id: string;
}

/** The user's present stay; a new one if they signed out since the last, or never signed in here. */
export function stayOf(arn: string): Stay {
  const id = localStorage.getItem(STAY + arn) ?? crypto.getRandomValues(new Uint32Array(4)).join("-");
  localStorage.setItem(STAY + arn, id);
  return { arn, id };
}

/** `session` is the access key of the session that the user signed out of. The other tabs hear of it, and then that the stay is over. */
export function endStay(arn: string, session: string): void {
  localStorage.setItem(STAY + arn, OVER + session);
  localStorage.removeItem(STAY + arn);
}

/** Whether the user signed out since. */
export function isStayOver({ arn, id }: Stay): boolean {
  return localStorage.getItem(STAY + arn) !== id;
}

/** Whether `read` has the form of a stay. */
export function isStay(read: unknown): read is Stay {
  const stay = read as Partial<Stay> | null;
  return typeof stay?.arn === "string" && typeof stay.id === "string";
}

/** Call `look` whenever another tab changes a stay, with the access key of the session that its user signed out of there, if so. */
export function whenStaysChange(look: (signedOut: string | null) => void): void {
  addEventListener("storage", ({ key, newValue }) => {
    if (key === null || key.startsWith(STAY)) look(newValue?.startsWith(OVER) === true ? newValue.slice(OVER.length) : null);
  });
}
