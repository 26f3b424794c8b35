/** Every call and what decided it: found by any field, counted, and opened one by one. */

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Checkbox from "@cloudscape-design/components/checkbox";
import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import Pagination from "@cloudscape-design/components/pagination";
import PropertyFilter from "@cloudscape-design/components/property-filter";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table, { type TableProps } from "@cloudscape-design/components/table";
import { useState } from "react";

import { Counts } from "../decisions/counts";
import { Effect } from "../decisions/effect";
import type { DecidedBy } from "../decisions/explanation";
import { Export } from "../decisions/export";
import { filtersOf, OPTIONS, PROPERTIES, queryOfTokens, tokensOf } from "../decisions/filters";
import { TrailPicker } from "../decisions/trail-picker";
import { changeQuery, follow, href, type PageProps, useAsOf } from "../router";
import { useAnswer } from "../shown/answer";
import { useAskedAt } from "../shown/asked-at";
import { after, useCursor } from "../shown/cursor";
import { keyName, principalName } from "../shown/names";
import { Problem } from "../shown/problem";
import { boundsOf, lengthOf, spanOf, spanQuery } from "../shown/span";
import { SpanPicker } from "../shown/span-picker";
import { Time } from "../shown/time";
import { visible } from "../shown/visible";
import { type ItemOf, v1 } from "../v1/client";

type Decision = ItemOf<"/v1/decisions">;

const PAGE = 50;

const COLUMNS: TableProps.ColumnDefinition<Decision>[] = [
  {
    id: "at",
    header: "Time",
    minWidth: 200,
    isRowHeader: true,
    cell: (call) => (
      <Link href={href("/decisions/{call}", { call: call.call_id })} onFollow={follow}>
        <Time at={call.at} />
      </Link>
    ),
  },
  { id: "effect", header: "Effect", minWidth: 120, cell: (call) => <Effect effect={call.effect} /> },
  { id: "operation", header: "Operation", minWidth: 130, cell: (call) => visible(call.operation) },
  { id: "principal", header: "Principal", minWidth: 130, cell: (call) => principalName(call.principal) },
  {
    id: "key",
    header: "Key",
    minWidth: 150,
    cell: (call) =>
      call.key_id === null ? (
        "–"
      ) : (
        <Link href={href("/keys/{key}", { key: call.key_id })} onFollow={follow}>
          {keyName(call)}
        </Link>
      ),
  },
  { id: "kind", header: "Decided by", minWidth: 140, cell: (call) => decidedBy(call) },
  { id: "source", header: "Source", cell: (call) => visible(call.source) || "–" },
];

/** The deciding statement's Sid if it has one, else what kind of thing decided: a policy, a grant, a rule. */
function decidedBy(call: Decision): string {
  const by = (call.reasons[0] as { by?: DecidedBy } | undefined)?.by;
  return visible(call.sid ?? call.kind ?? by?.sid ?? by?.kind ?? "").replaceAll("-", " ") || "–";
}

const UNANSWERED = "unanswered";

export default function Decisions({ query }: PageProps) {
  const [asOf] = useAsOf();
  const [asked, askNow] = useAskedAt(query.toString());
  const [exporting, setExporting] = useState(false);
  const filters = filtersOf(query);
  const span = spanOf(query);
  const trail = query.get("trail") ?? "";
  // They are on record, and say nothing of keys: a reader's own slip would otherwise lead the list of what was refused.
  const all = query.get(UNANSWERED) === "true" || filters.error !== undefined || filters.call_id !== undefined;
  const bounds = boundsOf(span, asOf, asked);
  const wanted = {
    ...filters,
    ...bounds,
    ...(trail === "" ? {} : { trail }),
    ...(all ? {} : { unanswered: "false" as const }),
  };
  const question = JSON.stringify(wanted);
  const cursor = useCursor(question);
  const [answer, again] = useAnswer(`decisions ${question} ${cursor.at}`, (signal) =>
    v1().get(
      "/v1/decisions",
      { query: { ...wanted, order: "newest", limit: PAGE, ...after(cursor.at) } as never },
      signal,
    ),
  );
  const found = answer.value;
  const began = found?.began; // the answer has it only where it explains why nothing was found

  return (
    <SpaceBetween size="m">
      <Header
        variant="h1"
        description="Every call of KMS, IAM and STS, and which statement or rule decided it. Questions to the audit API are listed if they may not be asked."
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <Button
              iconName="refresh"
              ariaLabel="Ask again"
              onClick={() => {
                askNow();
                again();
              }}
            />
            <Button onClick={() => setExporting(true)}>Export</Button>
          </SpaceBetween>
        }
      >
        Decisions
      </Header>
      <SpaceBetween size="xs">
        <PropertyFilter
          query={tokensOf(filters)}
          onChange={({ detail }) => changeQuery(queryOfTokens(detail.tokens, filters))}
          filteringProperties={PROPERTIES}
          filteringOptions={OPTIONS}
          disableFreeTextFiltering
          hideOperations
          expandToViewport
          filteringPlaceholder="Find by principal, operation, effect, key, or any other field; * is any text"
          filteringAriaLabel="Find decisions"
        />
        <SpaceBetween direction="horizontal" size="xs" alignItems="center">
          <SpanPicker span={span} onChange={(chosen) => changeQuery(spanQuery(chosen))} />
          <TrailPicker trail={trail} />
          {trail === "" && (
            <Checkbox checked={all} onChange={({ detail }) => changeQuery({ [UNANSWERED]: detail.checked ? "true" : undefined })}>
              Also questions that Keytrail could not answer
            </Checkbox>
          )}
        </SpaceBetween>
      </SpaceBetween>
      {exporting && <Export wanted={wanted} close={() => setExporting(false)} />}
      {answer.state === "fault" && <Problem fault={answer.fault} again={again} />}
      {!(answer.state === "fault" && answer.fault.kind === "refused") && (
        <SpaceBetween size="m">
          <Counts wanted={wanted} long={lengthOf(bounds, asked)} />
          <Table
            variant="container"
            header={<Header variant="h2">Calls, the newest first</Header>}
            columnDefinitions={COLUMNS}
            items={found?.items ?? []}
            trackBy={(call) => `${call.call_id} ${call.operation} ${call.at}`}
            loading={answer.state === "loading" && found === null}
            loadingText="Asking for decisions"
            ariaLabels={{ tableLabel: "Decisions" }}
            wrapLines
            empty={
              answer.state === "there" && (
                <Box textAlign="center" padding="l">
                  No call matches. A longer span of time or fewer filters may find some.
                  {began !== undefined && (
                    <>
                      {" "}
                      The record of decisions begins at <Time at={began} />: of what was before, nothing is known.
                    </>
                  )}
                </Box>
              )
            }
            pagination={<Pagination {...cursor.pagination(found?.next ?? null)} />}
          />
        </SpaceBetween>
      )}
    </SpaceBetween>
  );
}
