/** The fields by which /v1 finds calls, as a property filter and as the page's URL. */

import type { PropertyFilterProps } from "@cloudscape-design/components/property-filter";

import { visible } from "../shown/visible";

/** Every filter of GET /v1/decisions, with a label. A test holds the names to the description of /v1. */
export const FIELDS = {
  principal: "Principal",
  operation: "Operation",
  effect: "Effect",
  key: "Key",
  kind: "Decided by kind",
  decided_by: "Policy or grant",
  sid: "Sid",
  rule: "Rule",
  error: "Error",
  source: "Source address",
  agent: "User agent",
  access_key: "Access key",
  account: "Account",
  call_id: "Call",
  encryption_context: "Encryption context (NAME=VALUE)",
  event_type: "Event type",
  message: "Message",
  policy_version: "Policy version",
  statement: "Statement index",
  summary: "Summary",
  via: "Through service",
  position: "Position",
  seen: "Decided at position",
} as const;
export type Field = keyof typeof FIELDS;
const NAMES = Object.keys(FIELDS) as Field[];

export const PROPERTIES: readonly PropertyFilterProps.FilteringProperty[] = NAMES.map((key) => ({
  key,
  propertyLabel: FIELDS[key],
  groupValuesLabel: `Values of ${FIELDS[key]}`,
  operators: ["="],
}));

const KINDS = [
  "key-policy",
  "identity-policy",
  "grant",
  "boundary",
  "session-policy",
  "implicit-deny",
  "key-state",
] as const;
const OPERATIONS = [
  ...["Encrypt", "Decrypt", "ReEncrypt", "GenerateDataKey", "Sign", "Verify", "GenerateMac", "VerifyMac", "DescribeKey"],
  ...["CreateKey", "PutKeyPolicy", "CreateGrant", "RevokeGrant", "DisableKey", "EnableKey", "ScheduleKeyDeletion"],
];

function option(propertyKey: Field, value: string): PropertyFilterProps.FilteringOption {
  return { propertyKey, value };
}

/** Values that are known beforehand. Any other can be typed. */
export const OPTIONS: readonly PropertyFilterProps.FilteringOption[] = [
  option("effect", "allowed"),
  option("effect", "refused"),
  ...KINDS.map((each) => option("kind", each)),
  ...OPERATIONS.map((each) => option("operation", each)),
];

export type Filters = Partial<Record<Field, string>>;

export function filtersOf(query: URLSearchParams): Filters {
  const found: Filters = {};
  for (const name of NAMES) {
    const value = query.get(name);
    if (value !== null && value !== "") found[name] = value;
  }
  return found;
}

export function tokensOf(filters: Filters): PropertyFilterProps.Query {
  return {
    operation: "and",
    tokens: NAMES.flatMap((name) => {
      const value = filters[name];
      return value === undefined ? [] : [{ propertyKey: name, operator: "=", value: visible(value) }];
    }),
  };
}

/** The URL's query for a property filter. /v1 takes one value for each field: of two, the later counts. `before` are the filters
 * that the tokens were shown for, since a token shows its value in a visible form. */
export function queryOfTokens(
  tokens: readonly PropertyFilterProps.Token[],
  before: Filters,
): Record<Field, string | undefined> {
  const found = Object.fromEntries(NAMES.map((name) => [name, undefined])) as Record<Field, string | undefined>;
  for (const { propertyKey, value } of tokens) {
    if (propertyKey === undefined || !(propertyKey in FIELDS) || typeof value !== "string") continue;
    const name = propertyKey as Field;
    const former = before[name];
    found[name] = former !== undefined && visible(former) === value ? former : value;
  }
  return found;
}
