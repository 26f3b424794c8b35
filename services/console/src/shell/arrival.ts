/** Where the keyboard is on a new page: on its heading. Without this it is on nothing, and twenty presses of Tab lead past the bar
 * and the navigation to what the page shows. */

import { type RefObject, useEffect, useRef } from "react";

/** `page` stands for what the page is about. The page that is opened first leaves the keyboard at the beginning, where the link to
 * the content is. */
export function useArrival(page: string): RefObject<HTMLDivElement | null> {
  const content = useRef<HTMLDivElement>(null);
  const former = useRef(page);
  useEffect(() => {
    if (former.current === page) return;
    const first = former.current === "/"; // it leads on to the first page
    former.current = page;
    if (first || content.current === null) return;
    return toHeading(content.current);
  }, [page]);
  return content;
}

/** Moves the focus to the heading, as soon as there is one and if the user has not gone elsewhere meanwhile. */
export function toHeading(content: HTMLElement): () => void {
  content.focus({ preventScroll: true });
  const arrived = (): boolean => {
    const heading = content.querySelector("h1");
    if (heading === null) return false;
    if (document.activeElement === content || document.activeElement === document.body) {
      heading.tabIndex = -1;
      heading.focus({ preventScroll: true });
    }
    return true;
  };
  if (arrived()) return () => undefined;
  const watching = new MutationObserver(() => {
    if (arrived()) watching.disconnect();
  });
  watching.observe(content, { childList: true, subtree: true });
  return () => watching.disconnect();
}
