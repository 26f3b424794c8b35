/** Alerts: those that were raised, and each new one as it is raised. */

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import LiveRegion from "@cloudscape-design/components/live-region";
import Pagination from "@cloudscape-design/components/pagination";
import PropertyFilter from "@cloudscape-design/components/property-filter";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import Table, { type TableProps } from "@cloudscape-design/components/table";
import Toggle from "@cloudscape-design/components/toggle";
import { useState } from "react";

import { alertFiltersOf, FIELDS, SEVERITIES, STATES } from "../alerts/filters";
import { type LiveAlerts, merged, type RaisedAlert, useLiveAlerts } from "../alerts/live";
import { AlertStateShown, SeverityBadge } from "../alerts/severity";
import { changeQuery, follow, href, navigate, type PageProps, useAsOf } from "../router";
import { useAnswer } from "../shown/answer";
import { after, useCursor } from "../shown/cursor";
import { keyName } from "../shown/names";
import { Problem } from "../shown/problem";
import { upTo } from "../shown/span";
import { summaryWords } from "../shown/summary";
import { Time, timeWords } from "../shown/time";
import { visible } from "../shown/visible";
import { v1 } from "../v1/client";

const PAGE = 50;

/** Where a stream begins: after the newest alert of an answer. */
interface Begun {
  by: object;
  question: string;
  number: number;
  round: number;
}

const COLUMNS: TableProps.ColumnDefinition<RaisedAlert>[] = [
  { id: "severity", header: "Severity", minWidth: 100, cell: (alert) => <SeverityBadge severity={alert.severity} /> },
  {
    id: "title",
    header: "Alert",
    minWidth: 220,
    isRowHeader: true,
    cell: (alert) => (
      <>
        <Link href={href("/alerts/{alert}", { alert: alert.id })} onFollow={follow}>
          {visible(alert.title)}
        </Link>
        <Box color="text-body-secondary" fontSize="body-s">
          {visible(summaryWords(alert.summary))}
        </Box>
      </>
    ),
  },
  { id: "state", header: "State", minWidth: 175, cell: (alert) => <AlertStateShown state={alert.state} /> },
  {
    id: "key",
    header: "Key",
    minWidth: 150,
    cell: (alert) =>
      alert.key_id === null ? (
        "–"
      ) : (
        <Link href={href("/keys/{key}", { key: alert.key_id })} onFollow={follow}>
          {keyName(alert)}
        </Link>
      ),
  },
  { id: "at", header: "Time", minWidth: 180, cell: (alert) => <Time at={alert.at} /> },
];

export default function Alerts({ query }: PageProps) {
  const filters = alertFiltersOf(query);
  const [asOf] = useAsOf();
  const wanted = { ...filters, ...upTo(asOf) };
  const question = JSON.stringify(wanted);
  const cursor = useCursor(question);
  const [answer, again] = useAnswer(`alerts ${question} ${cursor.at}`, (signal) =>
    v1().get("/v1/alerts", { query: { ...wanted, limit: PAGE, ...after(cursor.at) } }, signal),
  );
  const found = answer.value;
  // What is raised after the first page was asked for comes by the stream. Another answer begins another one: an alert that came by
  // the former stays in the state in which it came, and the answer has it in its present one, or no longer.
  const [begun, setBegun] = useState<Begun | null>(null);
  if (answer.state === "there" && cursor.at === "" && begun?.by !== answer.value) {
    const number = Math.max(-1, ...answer.value.items.map((each) => each.number));
    setBegun({ by: answer.value, question, number, round: (begun?.round ?? 0) + 1 });
  }
  const from = asOf === null && begun?.question === question ? begun.number : null;
  const live = useLiveAlerts(filters, from, begun?.round ?? 0);
  const items = cursor.at === "" ? merged(live.raised, found?.items ?? []) : (found?.items ?? []);

  return (
    <SpaceBetween size="m">
      <Header
        variant="h1"
        description={asOf === null ? answer.state !== "fault" && <LiveState live={live} /> : "Alerts up to the time shown, each in the state that it has now."}
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <Button iconName="refresh" ariaLabel="Ask again" onClick={again} />
            <Button onClick={() => navigate(href("/alerts/rules"))}>Rules</Button>
          </SpaceBetween>
        }
      >
        Alerts
      </Header>
      <SpaceBetween size="xs">
        <PropertyFilter
          query={FIELDS.tokensOf(filters)}
          onChange={({ detail }) => changeQuery(FIELDS.queryOf(detail.tokens, filters))}
          filteringProperties={FIELDS.properties}
          filteringOptions={[
            ...STATES.map((value) => ({ propertyKey: "state", value })),
            ...SEVERITIES.map((value) => ({ propertyKey: "severity", value })),
          ]}
          disableFreeTextFiltering
          hideOperations
          expandToViewport
          filteringPlaceholder="Find by state, severity, rule, key or principal"
          filteringAriaLabel="Find alerts"
        />
        <FormField>
          <Toggle
            checked={filters.suppressed === "true"}
            onChange={({ detail }) => changeQuery({ suppressed: detail.checked ? "true" : undefined })}
          >
            With those that an allow-list allows
          </Toggle>
        </FormField>
      </SpaceBetween>
      {answer.state === "fault" && <Problem fault={answer.fault} again={again} />}
      {!(answer.state === "fault" && answer.fault.kind === "refused") && (
        <Table
          columnDefinitions={COLUMNS}
          items={items}
          trackBy={(alert) => alert.id}
          loading={answer.state === "loading" && found === null}
          loadingText="Asking for alerts"
          ariaLabels={{ tableLabel: "Alerts" }}
          wrapLines
          empty={
            answer.state === "there" && (
              <Box textAlign="center" padding="l">
                No alert matches.
              </Box>
            )
          }
          pagination={<Pagination {...cursor.pagination(found?.next ?? null)} />}
        />
      )}
      <LiveRegion hidden>{live.raised[0] === undefined ? "" : visible(told(live.raised[0]))}</LiveRegion>
    </SpaceBetween>
  );
}

/** With its time, since a live region says the same words only once: two alerts of one rule may differ in nothing else. */
function told({ title, summary, at }: RaisedAlert): string {
  return `New alert: ${title}. ${summaryWords(summary)}. ${timeWords(at) ?? at}`;
}

function LiveState({ live }: { live: LiveAlerts }) {
  switch (live.state) {
    case "open":
      return <StatusIndicator type="success">Live: a new alert appears here as it is raised</StatusIndicator>;
    case "opening":
      return <StatusIndicator type="loading">Connecting</StatusIndicator>;
    case "waiting":
      return <StatusIndicator type="pending">Not connected; the page tries again by itself</StatusIndicator>;
    case "refused":
      return <StatusIndicator type="stopped">Not live</StatusIndicator>;
  }
}
