/** The filters that /v1 has for alerts, in the page's URL. */

import { fieldsOf } from "../shown/fields";

export const SEVERITIES = ["info", "low", "medium", "high", "critical"] as const;
export const STATES = ["open", "acknowledged", "resolved"] as const;
export type Severity = (typeof SEVERITIES)[number];
export type AlertState = (typeof STATES)[number];

/** What the property filter offers; `suppressed` has a switch of its own. */
export const FIELDS = fieldsOf({
  state: "State",
  severity: "Severity at least",
  rule: "Rule",
  key: "Key",
  principal: "Principal",
});

export interface AlertFilters {
  state?: AlertState;
  severity?: Severity;
  rule?: string;
  key?: string;
  principal?: string;
  suppressed?: "true";
}

function oneOf<T extends string>(values: readonly T[], text: string | null): T | undefined {
  return values.find((each) => each === text);
}

export function alertFiltersOf(query: URLSearchParams): AlertFilters {
  const state = oneOf(STATES, query.get("state"));
  const severity = oneOf(SEVERITIES, query.get("severity"));
  const { rule, key, principal } = FIELDS.valuesOf(query);
  return {
    ...(state === undefined ? {} : { state }),
    ...(severity === undefined ? {} : { severity }),
    ...(rule === undefined ? {} : { rule }),
    ...(key === undefined ? {} : { key }),
    ...(principal === undefined ? {} : { principal }),
    ...(query.get("suppressed") === "true" ? { suppressed: "true" as const } : {}),
  };
}
