import Button from "@cloudscape-design/components/button";

import { asked, follow, href } from "../../router";
import { after } from "../../shown/cursor";
import { Listing } from "../../shown/listing";
import { upTo } from "../../shown/span";
import { type ItemOf, v1 } from "../../v1/client";
import type { TabProps } from "./facts";
import { CALL_COLUMNS } from "./history-tab";
import { FEW } from "./records";

export function DecisionsTab({ name, facts, at, trail, round }: TabProps) {
  return (
    <Listing<ItemOf<"/v1/decisions">>
      title="Decisions"
      description="The calls that concerned this key and what decided each, the newest first."
      question={`decisions ${name} ${at ?? ""}`}
      round={round}
      load={(cursor, signal) => {
        const query = { key: name, order: "newest", limit: FEW, ...upTo(at), ...asked(null, trail), ...after(cursor) } as const;
        return v1().get("/v1/decisions", { query }, signal);
      }}
      columns={CALL_COLUMNS}
      keyOf={(entry) => entry.call_id}
      empty="Nobody has called this key."
      actions={
        <Button href={href("/decisions", {}, { key: (trail === null ? facts?.id : facts?.arn) ?? name })} onFollow={follow}>
          All decisions
        </Button>
      }
    />
  );
}
