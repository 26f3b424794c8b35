/** The fields by which /v1 finds calls, as a property filter and as the page's URL. */

import type { PropertyFilterProps } from "@cloudscape-design/components/property-filter";

import { fieldsOf } from "../shown/fields";

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
type Field = keyof typeof FIELDS;

export const { properties: PROPERTIES, valuesOf: filtersOf, tokensOf, queryOf: queryOfTokens } = fieldsOf(FIELDS);

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
