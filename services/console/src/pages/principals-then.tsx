/** The users, groups, roles or managed policies as they were at the time that the pages show, or as a trail has them. */

import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { TITLES } from "../identities/identity-list";
import type { Made } from "../identities/new-identity";
import { asked, follow, href, useAsOf, usePlace, useTrail } from "../router";
import { after } from "../shown/cursor";
import { Listing } from "../shown/listing";
import { Time } from "../shown/time";
import { visible } from "../shown/visible";
import { type ItemOf, v1 } from "../v1/client";

type Principal = ItemOf<"/v1/as-of/principals">;

const PAGE = 50;
const KINDS: Readonly<Record<string, Made>> = { "/users": "user", "/groups": "group", "/roles": "role", "/policies": "policy" };

export default function PrincipalsThen() {
  const [at] = useAsOf();
  const trail = useTrail();
  const { path } = usePlace();
  const kind = KINDS[path.replace(/\/+$/, "")] ?? "user";
  return (
    <SpaceBetween size="m">
      <Header variant="h1" description={trail === null ? "As they were then." : "As the trail has them."}>
        {TITLES[kind]}
      </Header>
      <Listing
        title={`${TITLES[kind]} ${trail === null ? "at that time" : "of the trail"}`}
        question={`${kind} then ${at ?? ""} ${trail ?? ""}`}
        load={(cursor, signal) =>
          v1().get("/v1/as-of/principals", { query: { kind, limit: PAGE, ...asked(at, trail), ...after(cursor) } }, signal)
        }
        keyOf={(each) => each.arn}
        empty={trail === null ? "There were none." : "The trail names none."}
        columns={[
          { id: "name", header: "Name", isRowHeader: true, minWidth: 150, cell: (each) => <Named kind={kind} it={each} trail={trail} /> },
          { id: "arn", header: "ARN", minWidth: 200, cell: (each) => visible(each.arn) },
          { id: "created", header: "Created", minWidth: 150, cell: (each) => (each.created_at === null ? "before the trail" : <Time at={each.created_at} />) },
          { id: "since", header: "As it was since", minWidth: 120, cell: (each) => `@${each.as_since}` },
        ]}
      />
    </SpaceBetween>
  );
}

/** A trail has users of several accounts, so a link names the ARN. */
function Named({ kind, it, trail }: { kind: Made; it: Principal; trail: string | null }) {
  if (kind === "policy") return <>{visible(it.name)}</>;
  return (
    <Link href={href(`/${kind}s/{name}`, { name: trail === null ? it.name : it.arn })} onFollow={follow}>
      {visible(it.name)}
    </Link>
  );
}
