/** The keys as they were at the time that the pages show, or as a trail has them. */

import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { FIELDS } from "../keys/filters";
import { KeyFilter } from "../keys/key-filter";
import { asked, follow, href, type PageProps, useAsOf, useTrail } from "../router";
import { after } from "../shown/cursor";
import { Listing } from "../shown/listing";
import { Time } from "../shown/time";
import { visible } from "../shown/visible";
import { type ItemOf, v1 } from "../v1/client";
import { KeyState } from "./key/state";

type Key = ItemOf<"/v1/as-of/keys">;

const PAGE = 50;

export default function KeysThen({ query }: PageProps) {
  const values = FIELDS.valuesOf(query);
  const filtered = Object.keys(values).length > 0;
  const [at] = useAsOf();
  const trail = useTrail();
  return (
    <SpaceBetween size="m">
      <Header
        variant="h1"
        description={trail === null ? "The keys that the account had then." : "Every key that the trail names. What it does not show is left out."}
      >
        Keys
      </Header>
      <KeyFilter values={values} placeholder="Find keys by what they were then" />
      <Listing<Key>
        title={trail === null ? "Keys at that time" : "Keys of the trail"}
        question={`keys then ${at ?? ""} ${trail ?? ""} ${JSON.stringify(values)}`}
        load={(cursor, signal) => v1().get("/v1/as-of/keys", { query: { ...values, limit: PAGE, ...asked(at, trail), ...after(cursor) } as never }, signal)}
        keyOf={(key) => key.arn}
        empty={filtered ? "No key was like this." : trail === null ? "The account had no keys then." : "The trail names no key."}
        columns={[
          { id: "alias", header: "Aliases", minWidth: 120, cell: (key) => visible(key.key_aliases.map((each) => each.replace(/^alias\//, "")).join(", ")) || "–" },
          {
            id: "key",
            header: "Key ID",
            isRowHeader: true,
            minWidth: 200,
            cell: (key) => (
              <Link href={href("/keys/{key}", { key: trail === null ? key.key_id : key.arn })} onFollow={follow}>
                {visible(key.key_id)}
              </Link>
            ),
          },
          ...(trail === null ? [] : [{ id: "account", header: "Account", cell: (key: Key) => visible(key.account) }]),
          { id: "state", header: "Status", minWidth: 190, cell: (key) => (key.state === null ? "not shown" : <KeyState state={key.state} />) },
          { id: "spec", header: "Key spec", minWidth: 120, cell: (key) => visible(key.spec ?? "–") },
          { id: "usage", header: "Key usage", minWidth: 120, cell: (key) => visible(key.usage ?? "–") },
          { id: "manager", header: "Managed by", minWidth: 100, cell: (key) => (key.manager === null ? "the account" : visible(key.manager)) },
          { id: "description", header: "Description", minWidth: 150, cell: (key) => visible(key.description ?? "") || "–" },
          { id: "created", header: "Created", minWidth: 150, cell: (key) => (key.created_at === null ? "before the trail" : <Time at={key.created_at} />) },
        ]}
      />
    </SpaceBetween>
  );
}
