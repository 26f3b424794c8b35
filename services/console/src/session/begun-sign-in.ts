/** Keeps a sign-in with a provider while the browser is at the provider's, in this tab alone, and takes its answer out of the URL. */

import { BASE, navigate } from "../router";
import { type Begun, type Returned, returnedIn } from "./provider-steps";

const KEPT = "keytrail.begun-sign-in";

export function keepBegun(begun: Begun): void {
  sessionStorage.setItem(KEPT, JSON.stringify(begun));
}

/** Each sign-in that began is answered once. */
function takeBegun(): Begun | null {
  const text = sessionStorage.getItem(KEPT);
  sessionStorage.removeItem(KEPT);
  return text === null ? null : (JSON.parse(text) as Begun); // we wrote it ourselves, in this tab
}

export interface Answered {
  returned: Returned;
  begun: Begun | null;
}

/** The provider's answer. It is taken out of the URL and of the browser's history before anything else happens; the URL is then that
 * of the page where the sign-in began. */
export function takeAnswer(): Answered | null {
  if (location.pathname !== `${BASE}/`) return null;
  const returned = returnedIn(location.search);
  if (returned === null) return null;
  const begun = takeBegun();
  navigate(`${BASE}${begun?.page ?? "/"}`, { replace: true });
  return { returned, begun };
}
