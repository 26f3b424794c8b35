/** A text that is being written: a reload does not lose it. It is kept in this tab alone, for its author alone, until it is sent
 * or given up. For documents only: a policy holds no secret. */

import { useState } from "react";

import { DRAFT } from "../session/drafts";
import { current } from "../session/session";

const KEPT = `${DRAFT}text `;

interface DraftText {
  text: string;
  write: (text: string) => void;
  /** It was sent, or given up. */
  forget: () => void;
}

/** `subject` names what is written; `begin` is the text to begin with. */
export function useDraft(subject: string, begin: string): DraftText {
  const name = `${KEPT}${current()?.identity.arn ?? ""} ${subject}`;
  const [text, setText] = useState(() => sessionStorage.getItem(name) ?? begin);
  return {
    text,
    write: (to) => {
      setText(to);
      try {
        sessionStorage.setItem(name, to);
      } catch {
        // The browser's quota is used up: the draft is still on the page.
      }
    },
    forget: () => {
      sessionStorage.removeItem(name);
      setText(begin);
    },
  };
}
