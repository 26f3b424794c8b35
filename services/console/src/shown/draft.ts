/** A text that is being written: a reload does not lose it. It is kept in this tab alone, for its author alone, until it is sent
 * or given up. For documents only: a policy holds no secret. */

import { useState } from "react";

import { DRAFT } from "../session/drafts";
import { current } from "../session/session";

const KEPT = `${DRAFT}text `;

export interface OwnText {
  text: string;
  /** The document that the text was begun from, to see whether it was changed meanwhile; null: the text is of something new. */
  base: string | null;
}

interface DraftText {
  /** What its author wrote; null: nothing yet. */
  own: OwnText | null;
  write: (text: string, base: string | null) => void;
  /** It was sent, or given up. */
  forget: () => void;
}

/** `subject` names what is written. */
export function useDraft(subject: string): DraftText {
  const name = `${KEPT}${current()?.identity.arn ?? ""} ${subject}`;
  const [own, setOwn] = useState(() => kept(name));
  return {
    own,
    write: (text, base) => {
      setOwn({ text, base });
      try {
        sessionStorage.setItem(name, JSON.stringify({ text, base }));
      } catch {
        // The browser's quota is used up: the draft is still on the page.
      }
    },
    forget: () => {
      sessionStorage.removeItem(name);
      setOwn(null);
    },
  };
}

/** We wrote it ourselves, but an older build of the console may have. */
function kept(name: string): OwnText | null {
  try {
    const read = JSON.parse(sessionStorage.getItem(name) ?? "null") as OwnText | null;
    return read !== null && typeof read.text === "string" && (read.base === null || typeof read.base === "string") ? read : null;
  } catch {
    return null;
  }
}
