/** The installation: who leads, how far every part has come, whether its records hold, and its settings. */

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import Table from "@cloudscape-design/components/table";
import type { ReactNode } from "react";

import { Recheck } from "../installation/recheck";
import { Settings } from "../installation/settings";
import { Verify } from "../installation/verify";
import { useAnswer } from "../shown/answer";
import { Problem } from "../shown/problem";
import { visible } from "../shown/visible";
import { NARROWEST } from "../shown/widths";
import { type AnswerOf, v1 } from "../v1/client";

/** Every account has the first two; the first account has the rest too. */
type Status = Partial<AnswerOf<"/v1/status">> & Pick<AnswerOf<"/v1/status">, "log" | "position" | "keys">;

export default function Installation() {
  const [answer, again] = useAnswer("status", (signal) => v1().get("/v1/status", {}, signal));
  const found: Status | null = answer.value;
  return (
    <SpaceBetween size="m">
      <Header variant="h1" actions={<Button iconName="refresh" ariaLabel="Ask again" onClick={again} />}>
        Installation
      </Header>
      {answer.state === "fault" && <Problem fault={answer.fault} again={again} />}
      {answer.state === "loading" && found === null && <Spinner size="large" />}
      {found !== null && <Shown status={found} />}
    </SpaceBetween>
  );
}

function Shown({ status }: { status: Status }) {
  const voids = status.void_records;
  const rows: [string, ReactNode][] = [
    ["Log", visible(status.log)],
    ["Last record", `@${status.position}`],
    ["Digest of the last record", status.head === undefined ? null : visible(status.head)],
    ["Leader", status.leader === undefined ? null : visible(status.leader)],
    ["Next command", status.next_command ?? null],
    [
      "Records that Keytrail did not write",
      voids === undefined ? null : <StatusIndicator key="voids" type={voids === 0 ? "success" : "error"}>{voids}</StatusIndicator>,
    ],
    ["Keys", status.keys],
    ["Accounts", visible((status.accounts ?? []).join(", "))],
    ["Database", status.database_bytes === undefined ? null : `${(status.database_bytes / 1e6).toFixed(1)} MB`],
  ];
  const projections = Object.entries((status.lag ?? {}) as Record<string, number | null>);
  const judging = Object.entries((status.alerts as { lag?: Record<string, number | null> } | undefined)?.lag ?? {});
  return (
    <SpaceBetween size="m">
      <Container header={<Header variant="h2">The log</Header>}>
        <KeyValuePairs columns={3} minColumnWidth={NARROWEST} items={rows.filter(([, value]) => value !== null && value !== "").map(([label, value]) => ({ label, value }))} />
      </Container>
      {status.leader === undefined ? (
        <Box color="text-body-secondary">Only the first account sees the rest (the leader, what waits, sizes and settings) and may verify: these concern every account.</Box>
      ) : (
        <SpaceBetween size="m">
          <Lag title="Projections" of={projections} />
          <Lag title="Alerts" of={judging} />
          <Verify />
          <Recheck />
          <Settings />
        </SpaceBetween>
      )}
    </SpaceBetween>
  );
}

function Lag({ title, of }: { title: string; of: [string, number | null][] }) {
  return (
    <Table
      header={<Header variant="h2">{title}</Header>}
      items={of}
      columnDefinitions={[
        { id: "name", header: "Name", isRowHeader: true, cell: ([name]) => visible(name) },
        {
          id: "lag",
          header: "Records that wait",
          cell: ([, lag]) =>
            lag === null ? (
              <StatusIndicator type="warning">not known: the broker does not answer</StatusIndicator>
            ) : (
              <StatusIndicator type={lag === 0 ? "success" : "in-progress"}>{lag}</StatusIndicator>
            ),
        },
      ]}
      ariaLabels={{ tableLabel: title }}
      empty={<Box textAlign="center">Nothing is running.</Box>}
    />
  );
}
