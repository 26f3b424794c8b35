/** A message that outlives the page on which its cause happened: that something was made, with a link to it. */

import { useEffect, useState } from "react";

export interface Notice {
  text: string;
  link?: { href: string; text: string };
}

const LEFT = "keytrail:notice";

export function leaveNotice(notice: Notice): void {
  dispatchEvent(new CustomEvent<Notice>(LEFT, { detail: notice }));
}

/** The last notice, and how to close it. It ends with whatever shows it, so another user never sees it. */
export function useNotice(): [Notice | null, () => void] {
  const [notice, setNotice] = useState<Notice | null>(null);
  useEffect(() => {
    const left = (event: Event): void => setNotice((event as CustomEvent<Notice>).detail);
    addEventListener(LEFT, left);
    return () => removeEventListener(LEFT, left);
  }, []);
  return [notice, () => setNotice(null)];
}
