/** A draft survives a reload: it is kept in this tab alone, and forgotten with it. A policy holds no secret. */

import { DRAFT } from "../session/drafts";

export interface KeptDraft {
  text: string;
  /** The version of the policy that the draft began from, and its text; null: an older build of the console kept the draft. */
  version: number;
  base: string | null;
}

/** One for each key and each user, so that nobody finds another's. */
function name(principal: string, key: string): string {
  return `${DRAFT}policy ${principal} ${key}`;
}

export function keptDraft(principal: string, key: string): KeptDraft | null {
  try {
    const read = JSON.parse(sessionStorage.getItem(name(principal, key)) ?? "null") as KeptDraft | null;
    if (read === null || typeof read.text !== "string" || typeof read.version !== "number") return null;
    return { ...read, base: typeof read.base === "string" ? read.base : null };
  } catch {
    return null;
  }
}

export function keepDraft(principal: string, key: string, draft: KeptDraft | null): void {
  if (draft === null) {
    sessionStorage.removeItem(name(principal, key));
    return;
  }
  try {
    sessionStorage.setItem(name(principal, key), JSON.stringify(draft));
  } catch {
    // The browser's quota is used up: the draft is still on the page.
  }
}
