/** The columns that a table of keys can show. */

import type { CollectionPreferencesProps } from "@cloudscape-design/components/collection-preferences";
import Link from "@cloudscape-design/components/link";
import type { TableProps } from "@cloudscape-design/components/table";

import { KeyState } from "../pages/key/state";
import { follow, href } from "../router";
import { principalName } from "../shown/names";
import { Time } from "../shown/time";
import { visible } from "../shown/visible";
import type { ItemOf } from "../v1/client";

export type ListedKey = ItemOf<"/v1/keys">;

interface KeyColumn extends TableProps.ColumnDefinition<ListedKey> {
  id: string;
  header: string;
}

export const COLUMNS: readonly KeyColumn[] = [
  {
    id: "alias",
    header: "Aliases",
    minWidth: 140,
    cell: (key) => {
      const names = key.key_aliases.map((each) => each.replace(/^alias\//, "")).join(", ");
      if (names === "") return "–";
      return (
        <Link href={href("/keys/{key}", { key: key.key_id ?? "" })} onFollow={follow}>
          {visible(names)}
        </Link>
      );
    },
  },
  {
    id: "key",
    header: "Key ID",
    minWidth: 200,
    isRowHeader: true,
    cell: (key) => (
      <Link href={href("/keys/{key}", { key: key.key_id ?? "" })} onFollow={follow}>
        {visible(key.key_id ?? "")}
      </Link>
    ),
  },
  { id: "state", header: "Status", minWidth: 175, cell: (key) => <KeyState state={key.state} /> },
  { id: "spec", header: "Key spec", cell: (key) => visible(key.spec) },
  { id: "usage", header: "Key usage", cell: (key) => visible(key.usage) },
  { id: "origin", header: "Origin", cell: (key) => visible(key.origin) },
  { id: "description", header: "Description", minWidth: 150, cell: (key) => visible(key.description) || "–" },
  {
    id: "tags",
    header: "Tags",
    minWidth: 140,
    cell: (key) => Object.entries(key.tags).map(([name, value]) => visible(`${name}=${String(value)}`)).join(", ") || "–",
  },
  { id: "policy", header: "Policy version", cell: (key) => key.policy_version },
  { id: "rotation", header: "Rotation", cell: (key) => (key.rotation_days === null ? "–" : `every ${key.rotation_days} days`) },
  { id: "deletion", header: "Deleted on", cell: (key) => (key.deletion_at === null ? "–" : <Time at={key.deletion_at} />) },
  { id: "created", header: "Created", minWidth: 160, cell: (key) => <Time at={key.created_at} /> },
  { id: "creator", header: "Created by", cell: (key) => principalName(key.created_by) },
];

/** They fit a window of 1440 pixels beside the navigation. For most keys the usage follows from the spec. */
const USUAL = ["alias", "key", "state", "spec", "description", "created"];

type Shown = readonly CollectionPreferencesProps.ContentDisplayItem[];

/** Every column, with whether it is shown, in the user's order: those of `chosen` (null for the usual ones) first. The key's ID
 * always shows. */
export function displayOf(chosen: readonly string[] | null): Shown {
  const ids = COLUMNS.map((each) => each.id);
  const kept = (chosen ?? USUAL).filter((each) => ids.includes(each));
  const shown = kept.includes("key") ? kept : ["key", ...kept];
  return [...shown, ...ids.filter((each) => !shown.includes(each))].map((id) => ({ id, visible: shown.includes(id) }));
}
