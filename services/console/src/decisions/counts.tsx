/** How many calls there were: over time by effect, and by principal, operation and key. */

import BarChart from "@cloudscape-design/components/bar-chart";
import Box from "@cloudscape-design/components/box";
import Container from "@cloudscape-design/components/container";
import Link from "@cloudscape-design/components/link";
import Table from "@cloudscape-design/components/table";
import Tabs from "@cloudscape-design/components/tabs";
import { useState } from "react";

import { changeQuery } from "../router";
import { useAnswer } from "../shown/answer";
import { keyName, principalName } from "../shown/names";
import { Problem } from "../shown/problem";
import { Time, zoneWords } from "../shown/time";
import { visible } from "../shown/visible";
import { type ItemOf, v1 } from "../v1/client";
import { barsOf, HOURS_UP_TO, MOST_BARS, tickWords, wholeTimes } from "./bars";
import type { filtersOf } from "./filters";

type Count = ItemOf<"/v1/decisions/counts">;
type Wanted = ReturnType<typeof filtersOf> & { from?: string; to?: string; trail?: string; unanswered?: "false" };
const BY = { principal: "By principal", operation: "By operation", key: "By key" } as const;
type By = keyof typeof BY;

export function Counts({ wanted, long }: { wanted: Wanted; long: number }) {
  const [tab, setTab] = useState("time");
  return (
    <Container>
      <Tabs
        activeTabId={tab}
        onChange={({ detail }) => setTab(detail.activeTabId)}
        ariaLabel="Counted"
        tabs={[
          { id: "time", label: "Over time", content: tab === "time" && <OverTime wanted={wanted} long={long} /> },
          ...(Object.keys(BY) as By[]).map((by) => ({ id: by, label: BY[by], content: tab === by && <CountedBy by={by} wanted={wanted} /> })),
        ]}
      />
    </Container>
  );
}

function OverTime({ wanted, long }: { wanted: Wanted; long: number }) {
  const unit = long <= HOURS_UP_TO ? "hour" : "day";
  const [answer, again] = useAnswer(`counts ${unit} ${JSON.stringify(wanted)}`, (signal) =>
    v1().get("/v1/decisions/counts", { query: { ...wanted, by: `${unit},effect`, limit: 1000 } as never }, signal),
  );
  if (answer.state === "fault") return <Problem fault={answer.fault} again={again} />;
  const counted = answer.value === null ? [] : wholeTimes(answer.value.items, unit, answer.value.more === true);
  const { bars, allowed, refused } = barsOf(counted, unit, innerWidth < 700 ? MOST_BARS.narrow : MOST_BARS.wide);
  return (
    <>
      <BarChart
        stackedBars
        hideFilter
        height={160}
        ariaLabel={`Calls by ${unit}`}
        xTickFormatter={(at) => tickWords(at, unit)}
        xTitle={unit === "hour" ? `Hour (${zoneWords()})` : "Day (UTC)"}
        yTitle="Calls"
        xScaleType="categorical"
        xDomain={bars}
        statusType={answer.state === "loading" ? "loading" : "finished"}
        loadingText="Counting"
        empty={<Box textAlign="center">No calls in this span.</Box>}
        series={
          bars.length === 0
            ? []
            : [
                { title: "Allowed", type: "bar", data: bars.map((x) => ({ x, y: allowed.get(x) ?? 0 })) },
                { title: "Refused", type: "bar", color: "#d13212", data: bars.map((x) => ({ x, y: refused.get(x) ?? 0 })) },
              ]
        }
      />
      {answer.value?.more === true && (
        <Box textAlign="center">
          The bars begin at <Time at={bars[0]} />: earlier calls of this span are not counted here.
        </Box>
      )}
    </>
  );
}

function CountedBy({ by, wanted }: { by: By; wanted: Wanted }) {
  const [answer, again] = useAnswer(`counts ${by} ${JSON.stringify(wanted)}`, (signal) =>
    v1().get("/v1/decisions/counts", { query: { ...wanted, by, limit: 50 } as never }, signal),
  );
  if (answer.state === "fault") return <Problem fault={answer.fault} again={again} />;
  return (
    <Table<Count>
      variant="embedded"
      columnDefinitions={[
        { id: by, header: BY[by].slice(3), isRowHeader: true, cell: (row) => <Counted by={by} row={row} /> },
        { id: "calls", header: "Calls", cell: (row) => row.calls },
        { id: "refused", header: "Refused", cell: (row) => row.refused },
        { id: "last", header: "Last", cell: (row) => <Time at={row.last} /> },
      ]}
      items={answer.value?.items ?? []}
      loading={answer.state === "loading"}
      loadingText="Counting"
      ariaLabels={{ tableLabel: `Calls ${BY[by].toLowerCase()}` }}
      empty={<Box textAlign="center">No calls in this span.</Box>}
      footer={answer.value?.items.length === 50 && <Box textAlign="center">The 50 most frequent are shown.</Box>}
    />
  );
}

/** A click narrows the page to this value. */
function Counted({ by, row }: { by: By; row: Count }) {
  const value = row[by];
  if (value === null) return <>{by === "key" ? "(no key)" : "–"}</>;
  const words = by === "principal" ? principalName(value) : by === "key" ? keyName({ key_id: value, key_aliases: row.key_aliases }) : visible(value);
  return (
    <Link
      href="#"
      ariaLabel={`Only ${words}`}
      onFollow={(event) => {
        event.preventDefault();
        changeQuery({ [by]: value });
      }}
    >
      {words}
    </Link>
  );
}
