/** The fields by which the keys of an account are found. */

import type { PropertyFilterProps } from "@cloudscape-design/components/property-filter";

import SPECS from "../pages/create/specs.json";
import { fieldsOf } from "../shown/fields";

/** Every filter of GET /v1/keys but `manager`, which has a page for each value. A test holds the names to the description of /v1. */
export const LABELS = {
  key: "Key ID or ARN",
  alias: "Alias",
  state: "Status",
  spec: "Key spec",
  usage: "Key usage",
  origin: "Origin",
  tag: "Tag (NAME or NAME=VALUE)",
  description: "Description",
} as const;

const KEY = /^(?:arn:aws[^:]*:kms:|mrk-[0-9a-f]{8}|[0-9a-f]{8}-)/;

export const FIELDS = fieldsOf(LABELS, ["alias", "description"], (text) => (KEY.test(text) ? "key" : "alias"));

const VALUES: readonly [keyof typeof LABELS, readonly string[]][] = [
  ["state", ["Enabled", "Disabled", "PendingDeletion", "PendingImport", "Deleted"]],
  ["spec", Object.keys(SPECS)],
  ["usage", [...new Set(Object.values(SPECS).flat())]],
  ["origin", ["AWS_KMS", "EXTERNAL"]],
];

export const OPTIONS: readonly PropertyFilterProps.FilteringOption[] = VALUES.flatMap(([propertyKey, values]) =>
  values.map((value) => ({ propertyKey, value })),
);
