/** Pages by the server's cursor: only the page on the screen is ever asked for. */

import { useState } from "react";

export interface Cursor {
  /** The server's `next` of the page before, "" for the first page. */
  at: string;
  /** What Cloudscape's Pagination takes. `next` is the present answer's. */
  pagination: (next: string | null) => {
    currentPageIndex: number;
    pagesCount: number;
    openEnd: boolean;
    onChange: (event: { detail: { currentPageIndex: number } }) => void;
  };
}

interface Pages {
  question: string;
  cursors: readonly string[];
  index: number;
}

/** Begins at the first page whenever `question` changes. */
export function useCursor(question: string): Cursor {
  const [kept, setKept] = useState<Pages>({ question, cursors: [""], index: 1 });
  const pages = kept.question === question ? kept : { question, cursors: [""], index: 1 };
  return {
    at: pages.cursors[pages.index - 1] ?? "",
    pagination: (next) => ({
      currentPageIndex: pages.index,
      pagesCount: pages.cursors.length,
      openEnd: next !== null && pages.index === pages.cursors.length,
      onChange: ({ detail }) => {
        const wanted = detail.currentPageIndex;
        if (wanted <= pages.cursors.length) setKept({ ...pages, index: wanted });
        else if (next !== null) setKept({ question, cursors: [...pages.cursors, next], index: pages.cursors.length + 1 });
      },
    }),
  };
}

/** The query's member that asks for what follows a cursor; nothing for the first page. */
export function after(cursor: string) {
  return cursor === "" ? {} : { cursor };
}
