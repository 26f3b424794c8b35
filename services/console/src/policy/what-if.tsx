/** Which logged calls a draft would have decided otherwise: asked for a span, with its progress. */

import Box from "@cloudscape-design/components/box";
import ProgressBar from "@cloudscape-design/components/progress-bar";
import SegmentedControl from "@cloudscape-design/components/segmented-control";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import Table from "@cloudscape-design/components/table";
import { useState } from "react";

import { current } from "../session/session";
import { useLines } from "../shown/lines";
import { Problem } from "../shown/problem";
import { Time } from "../shown/time";
import { visible } from "../shown/visible";
import { v1 } from "../v1/client";
import { short } from "./words";

interface Group {
  principal: string;
  operation: string;
  effect: string;
  decided_by: string;
  calls: number;
  first: string;
  last: string;
}

interface Found {
  decisions: number;
  flipped: number;
  unknown: number;
  groups: Group[];
}

const DAYS = ["7", "30", "90"] as const;
const DAY = 86_400_000;

/** Times are full seconds: a finer one would be another question at each render. */
function since(days: string): string {
  return new Date(Math.floor((Date.now() - Number(days) * DAY) / 1000) * 1000).toISOString();
}

export function WhatIf({ keyId, draft }: { keyId: string; draft: string }) {
  const [days, setDays] = useState<string>("7");
  const [answer, again] = useLines<never, Found>(
    `${keyId} ${days} ${draft}`,
    (signal) => v1().lines("post", "/v1/what-if", { body: { key: keyId, policy: draft, from: since(days) } }, signal),
    () => false, // each line is progress, or what is found so far
  );
  const ended = answer.state === "there";
  const account = current()?.identity.account ?? "";
  return (
    <SpaceBetween size="s">
      <SegmentedControl
        label="The calls of the last"
        selectedId={days}
        options={DAYS.map((each) => ({ id: each, text: `${each} days` }))}
        onChange={({ detail }) => setDays(detail.selectedId)}
      />
      {answer.fault !== null && <Problem fault={answer.fault} again={again} />}
      {answer.state === "loading" && (
        <ProgressBar
          value={answer.of === null || answer.of === 0 ? 0 : (100 * (answer.done ?? 0)) / answer.of}
          label="Deciding logged calls again"
          additionalInfo={answer.of === null ? "Counting" : `${(answer.done ?? 0).toLocaleString()} of ${answer.of.toLocaleString()}`}
        />
      )}
      {answer.result !== null && <Result found={answer.result} ended={ended} account={account} />}
      {answer.began !== null && (
        <Box color="text-body-secondary">
          The record begins at <Time at={answer.began} />.
        </Box>
      )}
    </SpaceBetween>
  );
}

function Result({ found, ended, account }: { found: Found; ended: boolean; account: string }) {
  const number = (count: number, one: string, many: string) => `${count.toLocaleString()} ${count === 1 ? one : many}`;
  return (
    <SpaceBetween size="s">
      {ended && found.flipped === 0 && found.unknown === 0 && (
        <StatusIndicator type="success">
          {found.decisions === 0
            ? "No call of this time is on record."
            : `None of ${number(found.decisions, "logged call", "logged calls")} would have been decided otherwise.`}
        </StatusIndicator>
      )}
      {(found.flipped > 0 || found.unknown > 0) && (
        <>
          <StatusIndicator type="warning">
            {`${number(found.flipped, "call", "calls")} of ${found.decisions.toLocaleString()} would have been decided otherwise` +
              (found.unknown > 0 ? `; of ${found.unknown.toLocaleString()} it is not known` : "")}
          </StatusIndicator>
          <Table
            variant="embedded"
            wrapLines
            ariaLabels={{ tableLabel: "Calls that the draft would have decided otherwise" }}
            items={found.groups}
            columnDefinitions={[
              { id: "who", header: "Principal", isRowHeader: true, cell: (row) => visible(short(row.principal, account)) },
              { id: "operation", header: "Operation", cell: (row) => visible(row.operation) },
              { id: "effect", header: "Would be", minWidth: 120, cell: (row) => <Effect effect={row.effect} /> },
              { id: "calls", header: "Calls", cell: (row) => row.calls.toLocaleString() },
              { id: "by", header: "Decided by", minWidth: 200, cell: (row) => visible(inWords(row.decided_by, account)) },
              { id: "last", header: "Last", minWidth: 130, cell: (row) => <Time at={row.last} /> },
            ]}
          />
        </>
      )}
    </SpaceBetween>
  );
}

function Effect({ effect }: { effect: string }) {
  return <StatusIndicator type={effect === "allowed" ? "success" : "error"}>{effect}</StatusIndicator>;
}

/** The server names the statement after its policy's ARN. */
function inWords(by: string, account: string): string {
  return by.replace(/arn:aws:kms:[^ ]*/, "key policy").replace(/arn:aws:iam:[^ ]*/, (arn) => short(arn, account));
}
