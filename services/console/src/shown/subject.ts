/** What a page is about (a key's alias, a user's name): the document's title and the breadcrumb say it. */

import { useEffect, useSyncExternalStore } from "react";

let subject = "";
const CHANGED = "keytrail:subject";

function become(name: string): void {
  subject = name;
  dispatchEvent(new Event(CHANGED));
}

/** Of the page that calls it, as long as it is shown. `name` is shown as it is; "" while it is not known. */
export function useSubject(name: string): void {
  useEffect(() => {
    become(name);
    return () => become("");
  }, [name]);
}

function subscribe(changed: () => void): () => void {
  addEventListener(CHANGED, changed);
  return () => removeEventListener(CHANGED, changed);
}

export function useShownSubject(): string {
  return useSyncExternalStore(subscribe, () => subject);
}
