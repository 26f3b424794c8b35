/** What PutKeyPolicy would say of a draft, asked while it is written. */

import { useEffect, useState } from "react";

import { type AnswerOf, v1 } from "../v1/client";
import type { PlacedFault } from "./editor";
import { placeAt, placeOf } from "./places";

type Checked = AnswerOf<"/v1/keys/{key}/check-policy", "post">;

export interface DraftCheck {
  version: number;
  unchanged: boolean;
  fault: PlacedFault | null;
  lockedOut: boolean;
  refusal: string;
}

interface ServerFault {
  message: string;
  path: string | null;
  line: number | null;
  column: number | null;
}

export async function checkDraft(key: string, text: string, signal?: AbortSignal): Promise<DraftCheck> {
  const found: Checked = await v1().post("/v1/keys/{key}/check-policy", { path: { key }, body: { policy: text } }, signal);
  const fault = found.fault as unknown as ServerFault | null;
  return {
    version: found.version,
    unchanged: found.unchanged,
    fault: fault === null ? null : { message: fault.message, ...placed(text, fault) },
    lockedOut: found.locked_out,
    refusal: found.refusal ?? "",
  };
}

function placed(text: string, fault: ServerFault) {
  if (fault.line !== null && fault.column !== null) return { row: fault.line - 1, column: fault.column - 1 };
  return fault.path === null ? placeAt(text, 0) : placeOf(text, fault.path);
}

const PAUSE = 400; // milliseconds without a key pressed

/** The check of the text as it was a moment ago; null before the first, and where it cannot be asked: the review asks again. */
export function useDraftCheck(key: string, text: string): DraftCheck | null {
  const [found, setFound] = useState<{ text: string; check: DraftCheck } | null>(null);
  useEffect(() => {
    const leaving = new AbortController();
    const timer = setTimeout(() => {
      checkDraft(key, text, leaving.signal).then(
        (check) => setFound({ text, check }),
        () => setFound(null),
      );
    }, PAUSE);
    return () => {
      clearTimeout(timer);
      leaving.abort();
    };
  }, [key, text]);
  return found?.text === text ? found.check : null;
}
