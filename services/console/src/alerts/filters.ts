/** The filters that /v1 has for alerts, in the page's URL. */

export const SEVERITIES = ["info", "low", "medium", "high", "critical"] as const;
export const STATES = ["open", "acknowledged", "resolved"] as const;
export type Severity = (typeof SEVERITIES)[number];
export type AlertState = (typeof STATES)[number];

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
  const text = (name: "rule" | "key" | "principal") => {
    const value = query.get(name);
    return value === null || value === "" ? {} : { [name]: value };
  };
  return {
    ...(state === undefined ? {} : { state }),
    ...(severity === undefined ? {} : { severity }),
    ...text("rule"),
    ...text("key"),
    ...text("principal"),
    ...(query.get("suppressed") === "true" ? { suppressed: "true" as const } : {}),
  };
}
