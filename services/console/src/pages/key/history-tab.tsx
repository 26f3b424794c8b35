import Link from "@cloudscape-design/components/link";

import { Effect } from "../../decisions/effect";
import { asked, follow, href } from "../../router";
import { after } from "../../shown/cursor";
import { Listing } from "../../shown/listing";
import { LongText } from "../../shown/long-text";
import { upTo } from "../../shown/span";
import { summaryWords } from "../../shown/summary";
import { Time } from "../../shown/time";
import { visible } from "../../shown/visible";
import { type ItemOf, v1 } from "../../v1/client";
import type { TabProps } from "./facts";
import { FEW } from "./records";

type Entry = ItemOf<"/v1/keys/{key}/history">;

export function HistoryTab({ name, at, trail, round }: TabProps) {
  return (
    <Listing<Entry>
      title="History"
      description="Every change of this key, refused attempts included, the newest first."
      question={`history ${name} ${at ?? ""}`}
      round={round}
      load={(cursor, signal) => {
        const query = { order: "newest", limit: FEW, ...upTo(at), ...asked(null, trail), ...after(cursor) } as const;
        return v1().get("/v1/keys/{key}/history", { path: { key: name }, query }, signal);
      }}
      columns={CALL_COLUMNS}
      keyOf={(entry) => entry.call_id}
      empty="Nothing is on record for this key."
    />
  );
}

export const CALL_COLUMNS = [
  {
    id: "at",
    header: "Time",
    minWidth: 150,
    cell: (entry: Entry) => (
      <Link href={href("/decisions/{call}", { call: entry.call_id })} onFollow={follow}>
        <Time at={entry.at} />
      </Link>
    ),
  },
  { id: "operation", header: "Operation", isRowHeader: true, minWidth: 170, cell: (entry: Entry) => visible(entry.operation) },
  {
    id: "effect",
    header: "Effect",
    minWidth: 130,
    cell: (entry: Entry) => <Effect effect={entry.effect} />,
  },
  { id: "principal", header: "Principal", minWidth: 180, cell: (entry: Entry) => <LongText text={entry.principal} /> },
  { id: "summary", header: "What happened", minWidth: 220, cell: (entry: Entry) => <LongText text={summaryWords(entry.summary || "–")} /> },
  { id: "source", header: "From", cell: (entry: Entry) => visible(entry.source) || "–" },
];
