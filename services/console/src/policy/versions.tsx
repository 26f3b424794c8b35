/** Every version of a key's policy, newest first; any two compared by meaning and by text; an earlier one put back through a review. */

import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import Pagination from "@cloudscape-design/components/pagination";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import Table from "@cloudscape-design/components/table";
import Tabs from "@cloudscape-design/components/tabs";
import { useState } from "react";

import { follow, href } from "../router";
import { current } from "../session/session";
import { useAnswer } from "../shown/answer";
import { after, useCursor } from "../shown/cursor";
import { DocumentText } from "../shown/document";
import { Problem } from "../shown/problem";
import { Time } from "../shown/time";
import { visible } from "../shown/visible";
import { type ItemOf, v1 } from "../v1/client";
import { Waiting } from "./alerts-raised";
import { Meaning } from "./regions";
import { TextDiff } from "./text-difference";
import { short } from "./words";

export type PolicyVersion = ItemOf<"/v1/keys/{key}/policies">;

const PAGE = 20;
const LOOKS = 10;
const PAUSE = 200; // milliseconds

interface VersionsProps {
  keyId: string;
  inForce: number;
  readOnly: boolean;
  onPutBack: (version: PolicyVersion) => void;
}

export function Versions({ keyId, inForce, readOnly, onPutBack }: VersionsProps) {
  const account = current()?.identity.account ?? "";
  const [selected, setSelected] = useState<PolicyVersion[]>([]);
  const question = `versions ${keyId} ${inForce}`;
  const cursor = useCursor(question);
  const [answer, again] = useAnswer(`${question} ${cursor.at}`, (signal) => versionsOf(keyId, cursor.at, inForce, signal));
  const found = answer.value;
  const next = found?.next ?? null;
  const [newer, older] = [...selected].sort((one, other) => other.version - one.version);

  return (
    <SpaceBetween size="l">
      {answer.state === "fault" && <Problem fault={answer.fault} again={again} />}
      <Table
        header={
          <Header
            variant="h2"
            description="Select two versions to compare them by meaning and by text."
            actions={<Button iconName="refresh" ariaLabel="Ask again" onClick={again} />}
          >
            Versions
          </Header>
        }
        wrapLines
        items={found?.items ?? []}
        trackBy={(row) => String(row.version)}
        loading={answer.state === "loading" && found === null}
        loadingText="Asking for versions"
        empty={answer.state === "there" ? "There is no version on record." : null}
        selectionType="multi"
        selectedItems={selected}
        isItemDisabled={(row) => selected.length >= 2 && !selected.some(({ version }) => version === row.version)}
        onSelectionChange={({ detail }) => setSelected(detail.selectedItems.slice(0, 2))}
        ariaLabels={{
          tableLabel: "Versions of the policy",
          selectionGroupLabel: "Versions to compare",
          allItemsSelectionLabel: () => "All versions",
          itemSelectionLabel: (_, row) => `Compare version ${row.version}`,
        }}
        columnDefinitions={[
          {
            id: "version",
            header: "Version",
            isRowHeader: true,
            cell: (row) => (row.version === inForce ? <strong>{row.version} (in force)</strong> : row.version),
          },
          { id: "at", header: "Put", minWidth: 130, cell: (row) => <Time at={row.at} /> },
          { id: "who", header: "By", cell: (row) => visible(short(row.principal, account)) },
          { id: "source", header: "From", cell: (row) => visible(found?.sources.get(row.call_id) ?? "") || "–" },
          {
            id: "call",
            header: "Call",
            cell: (row) => (
              <Link href={href("/decisions/{call}", { call: row.call_id })} onFollow={follow}>
                {visible(row.call_id.slice(0, 8))}…
              </Link>
            ),
          },
          {
            id: "lockout",
            header: "Lock-out check",
            cell: (row) =>
              row.locked_out ? (
                <StatusIndicator type="warning">locked its author out</StatusIndicator>
              ) : (
                row.bypassed_lockout_check && "bypassed"
              ) || "–",
          },
          {
            id: "back",
            header: "Put back",
            minWidth: 170,
            cell: (row) =>
              row.version === inForce || readOnly ? (
                "–"
              ) : (
                <Button variant="inline-link" onClick={() => onPutBack(row)}>
                  Put version {row.version} back
                </Button>
              ),
          },
        ]}
        pagination={<Pagination {...cursor.pagination(next)} />}
      />
      {newer !== undefined && older !== undefined && <Comparison keyId={keyId} older={older} newer={newer} />}
      {newer !== undefined && older === undefined && (
        <Container header={<Header variant="h3">Version {newer.version}</Header>}>
          <TextOf text={newer.document} />
        </Container>
      )}
    </SpaceBetween>
  );
}

export function TextOf({ text }: { text: string }) {
  return <DocumentText document={text} label="The text of the policy" />;
}

/** The record of a version's call says where the call came from. A caller who may not read the history sees the versions without it. */
async function versionsOf(key: string, cursor: string, inForce: number, signal: AbortSignal) {
  const path = { key };
  const query = { order: "newest" as const, limit: PAGE, ...after(cursor) };
  let page = await v1().get("/v1/keys/{key}/policies", { path, query }, signal);
  // A version that was put a moment ago is listed a moment later.
  for (let tried = 0; cursor === "" && tried < LOOKS && (page.items[0]?.version ?? 0) < inForce; tried += 1) {
    await new Promise((done) => setTimeout(done, PAUSE));
    page = await v1().get("/v1/keys/{key}/policies", { path, query }, signal);
  }
  const positions = page.items.flatMap(({ position }) => position ?? []);
  const span = { from: `@${Math.min(...positions)}`, to: `@${Math.max(...positions) + 1}`, effect: "allowed" as const, limit: 1000 };
  const sources = new Map<string, string>();
  if (positions.length > 0) {
    const first = page.items.some(({ version }) => version === 1);
    const asked = ["PutKeyPolicy", ...(first ? ["CreateKey"] : [])].map((operation) =>
      v1().get("/v1/keys/{key}/history", { path, query: { ...span, operation } }, signal),
    );
    for (const each of await Promise.allSettled(asked)) {
      if (each.status === "fulfilled") each.value.items.forEach(({ call_id, source }) => sources.set(call_id, source));
    }
  }
  return { ...page, sources };
}

interface ComparisonProps {
  keyId: string;
  older: PolicyVersion;
  newer: PolicyVersion;
}

function Comparison({ keyId, older, newer }: ComparisonProps) {
  const [answer, again] = useAnswer(`compare ${keyId} ${older.version} ${newer.version}`, (signal) => {
    const body = { from: String(older.version), to: String(newer.version) };
    return v1().post("/v1/keys/{key}/diff", { path: { key: keyId }, body }, signal);
  });
  return (
    <Container
      header={
        <Header variant="h3">
          Version {older.version} → version {newer.version}
        </Header>
      }
    >
      <Tabs
        ariaLabel="How the two versions are compared"
        tabs={[
          {
            id: "meaning",
            label: "By meaning",
            content:
              answer.state === "fault" ? (
                <Problem fault={answer.fault} again={again} />
              ) : answer.state === "loading" ? (
                <Waiting text="Comparing the two versions" />
              ) : (
                <Meaning found={answer.value} />
              ),
          },
          { id: "text", label: "By text", content: <TextDiff before={older.document} after={newer.document} /> },
        ]}
      />
    </Container>
  );
}
