/** The rules of alerts, as the settings have them. */

import Badge from "@cloudscape-design/components/badge";
import Box from "@cloudscape-design/components/box";
import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table, { type TableProps } from "@cloudscape-design/components/table";

import { SeverityBadge } from "../alerts/severity";
import { follow, href } from "../router";
import { useAnswer } from "../shown/answer";
import { Problem } from "../shown/problem";
import { Time } from "../shown/time";
import { visible } from "../shown/visible";
import { type ItemOf, v1 } from "../v1/client";

type Rule = ItemOf<"/v1/alert-rules">;

const COLUMNS: TableProps.ColumnDefinition<Rule>[] = [
  {
    id: "rule",
    header: "Rule",
    isRowHeader: true,
    minWidth: 200,
    cell: (rule) => (
      <>
        <Link href={href("/alerts", {}, { rule: rule.rule ?? "" })} onFollow={follow}>
          {visible(rule.title)}
        </Link>
        <Box variant="code" display="block">
          {visible(rule.rule ?? "")}
        </Box>
      </>
    ),
  },
  { id: "severity", header: "Severity", minWidth: 110, cell: (rule) => (rule.off ? <Badge>off</Badge> : <SeverityBadge severity={rule.severity} />) },
  { id: "means", header: "What it means", minWidth: 240, cell: (rule) => visible(rule.means) },
  { id: "do", header: "What to do", minWidth: 240, cell: (rule) => visible(rule.do) },
  {
    id: "numbers",
    header: "Thresholds",
    minWidth: 150,
    cell: (rule) =>
      Object.entries(rule.numbers)
        .map(([name, value]) => visible(`${name} ${String(value)}`))
        .join(", ") || "–",
  },
  { id: "allowed", header: "Allow-list", minWidth: 220, cell: (rule) => <Allowed entries={rule.allowed as unknown as Entry[] | null | undefined} /> },
];

interface Entry {
  principal?: string;
  key?: string;
  tag?: string;
  reason: string;
  expires: string;
}

/** Only the first account is shown the allow-list: an entry may name any account's keys. */
function Allowed({ entries }: { entries: readonly Entry[] | null | undefined }) {
  if (entries === null || entries === undefined) return <>only the first account sees it</>;
  if (entries.length === 0) return <>–</>;
  return (
    <ul>
      {entries.map((entry, index) => (
        <li key={index}>
          {visible([entry.principal, entry.key, entry.tag].filter((each) => each !== undefined).join(" "))}: {visible(entry.reason)}, until{" "}
          <Time at={entry.expires} />
        </li>
      ))}
    </ul>
  );
}

export default function AlertRules() {
  const [answer, again] = useAnswer("alert rules", (signal) => v1().get("/v1/alert-rules", { query: { limit: 1000 } }, signal));
  return (
    <SpaceBetween size="m">
      <Header variant="h1" description="Severities, thresholds and allow-lists are set in the installation's alerts file.">
        Alert rules
      </Header>
      {answer.state === "fault" && <Problem fault={answer.fault} again={again} />}
      {!(answer.state === "fault" && answer.fault.kind === "refused") && (
        <Table
          columnDefinitions={COLUMNS}
          items={answer.value?.items ?? []}
          trackBy={(rule) => rule.rule ?? ""}
          loading={answer.state === "loading" && answer.value === null}
          loadingText="Asking for rules"
          ariaLabels={{ tableLabel: "Alert rules" }}
          wrapLines
          empty={<Box textAlign="center">There are no rules.</Box>}
        />
      )}
    </SpaceBetween>
  );
}
