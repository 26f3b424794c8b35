/** A list that came as a whole, a page at a time. Thousands of rows in one table keep a browser busy for seconds. */

import Pagination from "@cloudscape-design/components/pagination";
import { type ReactNode, useState } from "react";

export const PAGE = 50;

/** `question`: what the list answers. The list of another one begins at its first page. */
export function usePaged<T>(question: string, items: readonly T[]): { shown: readonly T[]; pagination: ReactNode } {
  const [kept, setKept] = useState({ question, index: 1 });
  const pages = Math.ceil(items.length / PAGE);
  const index = pageOf(kept.question === question ? kept.index : 1, items.length);
  return {
    shown: items.slice((index - 1) * PAGE, index * PAGE),
    pagination: pages > 1 && (
      <Pagination
        currentPageIndex={index}
        pagesCount={pages}
        onChange={({ detail }) => setKept({ question, index: detail.currentPageIndex })}
      />
    ),
  };
}

/** The page that is shown: the last one where the list has become shorter than it was. */
export function pageOf(wanted: number, length: number): number {
  return Math.max(1, Math.min(wanted, Math.ceil(length / PAGE)));
}
