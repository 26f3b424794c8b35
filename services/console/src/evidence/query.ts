/** What a package of evidence is asked for. */

import { type Bounds, boundsOf, type Span } from "../shown/span";

/** A key, or the ARN of a user, role, group or managed policy. */
export type EvidenceAbout = { key: string } | { principal: string };

export const LAST_MONTH: Span = { type: "relative", amount: 30, unit: "day" };

/** `span`: null for all the time. */
export function evidenceQuery(about: EvidenceAbout, span: Span | null, whole: boolean, now: number): EvidenceAbout & Bounds & { whole_span?: "true" } {
  return { ...about, ...(span === null ? {} : boundsOf(span, null, now)), ...(whole ? { whole_span: "true" } : {}) };
}
