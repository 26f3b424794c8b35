/** One alert: what happened, what it means, what to do, and what was done. It is acknowledged and resolved here. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import CopyToClipboard from "@cloudscape-design/components/copy-to-clipboard";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import Link from "@cloudscape-design/components/link";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import Table from "@cloudscape-design/components/table";
import Textarea from "@cloudscape-design/components/textarea";
import { type ReactNode, useState } from "react";

import type { AlertState } from "../alerts/filters";
import { AlertStateShown, SeverityBadge } from "../alerts/severity";
import { follow, href, type PageProps, useAsOf } from "../router";
import { useAct } from "../shown/act";
import { useAnswer } from "../shown/answer";
import { DocumentText } from "../shown/document";
import { keyName, principalName } from "../shown/names";
import { unlessOvertaken } from "../shown/overtaken";
import { Problem } from "../shown/problem";
import { Prose } from "../shown/prose";
import { summaryWords } from "../shown/summary";
import { Time } from "../shown/time";
import { useSubject } from "../shown/subject";
import { visible } from "../shown/visible";
import { NARROWEST } from "../shown/widths";
import { type AnswerOf, v1 } from "../v1/client";

type OneAlert = AnswerOf<"/v1/alerts/{alert}">;

interface Mark {
  position: number;
  at: string;
  principal: string;
  state: string;
  note: string | null;
}

export default function AlertPage({ places }: PageProps) {
  const alert = places["alert"] ?? "";
  const [answer, again] = useAnswer(`alert ${alert}`, (signal) => v1().get("/v1/alerts/{alert}", { path: { alert } }, signal));
  const found = answer.value;
  useSubject(found === null ? "" : visible(found.title));
  return (
    <SpaceBetween size="m">
      {answer.state === "fault" && <Problem fault={answer.fault} again={again} />}
      {answer.state === "loading" && found === null && <Spinner size="large" />}
      {found !== null && <Shown alert={found} again={again} />}
    </SpaceBetween>
  );
}

function Shown({ alert, again }: { alert: OneAlert; again: () => void }) {
  const allowed = alert.suppressed as { reason: string; expires: string } | null;
  const marks = alert.marks as unknown as Mark[];
  return (
    <SpaceBetween size="m">
      <Header variant="h1" description={visible(summaryWords(alert.summary))} info={<SeverityBadge severity={alert.severity} />}>
        {visible(alert.title)}
      </Header>
      {allowed !== null && (
        <Alert type="info" header="An allow-list allows this">
          {visible(allowed.reason)}, until {visible(allowed.expires)}.
        </Alert>
      )}
      <Container>
        <KeyValuePairs columns={3} minColumnWidth={NARROWEST} items={facts(alert)} />
      </Container>
      <Container header={<Header variant="h2">What it means</Header>}>{visible(alert.means)}</Container>
      <Container header={<Header variant="h2">What to do</Header>}>
        <SpaceBetween size="s">
          <Box variant="p">
            <Prose text={alert.do} />
          </Box>
          {alert.key_id !== null && <InConsole of={alert.key_id} since={alert.at} />}
          <Box variant="awsui-key-label">On the command line</Box>
          {alert.commands.map((each) => (
            <CopyToClipboard
              key={each}
              variant="inline"
              textToCopy={each}
              textToDisplay={visible(each)}
              copyButtonAriaLabel={`Copy ${visible(each)}`}
              copySuccessText="Copied"
              copyErrorText="The browser did not copy it"
            />
          ))}
        </SpaceBetween>
      </Container>
      <MarkForm alert={alert} again={again} />
      <Table
        header={<Header variant="h2">What was done</Header>}
        columnDefinitions={[
          { id: "at", header: "Time", isRowHeader: true, minWidth: 180, cell: (mark) => <Time at={mark.at} /> },
          { id: "state", header: "State", minWidth: 140, cell: (mark) => <AlertStateShown state={mark.state} /> },
          { id: "by", header: "By", cell: (mark) => principalName(mark.principal) },
          { id: "note", header: "Note", cell: (mark) => visible(mark.note ?? "") || "–" },
        ]}
        items={marks}
        ariaLabels={{ tableLabel: "What was done" }}
        empty={<Box textAlign="center">Nothing yet.</Box>}
        wrapLines
      />
      <ExpandableSection headerText="The evidence" variant="container">
        <DocumentText document={{ source: alert.source, evidence: alert.evidence }} label="The evidence" />
      </ExpandableSection>
    </SpaceBetween>
  );
}

/** The pages that answer what the commands answer. */
function InConsole({ of, since }: { of: string; since: string }) {
  const key = { key: of };
  const links: [string, string][] = [
    ["Versions of the key's policy", href("/keys/{key}/{tab}", { ...key, tab: "policy" }, { view: "versions" })],
    ["History of the key", href("/keys/{key}/{tab}", { ...key, tab: "history" })],
    ["Calls on the key since then", href("/decisions", {}, { ...key, from: since, to: "" })],
  ];
  return (
    <SpaceBetween direction="horizontal" size="m">
      {links.map(([words, url]) => (
        <Link key={words} href={url} onFollow={follow}>
          {visible(words)}
        </Link>
      ))}
    </SpaceBetween>
  );
}

function facts(alert: OneAlert): { label: string; value: ReactNode }[] {
  const to = (page: string, places: Record<string, string>, words: string) => (
    <Link href={href(page, places)} onFollow={follow}>
      {visible(words)}
    </Link>
  );
  const rows: [string, ReactNode][] = [
    ["State", <AlertStateShown key="state" state={alert.state} />],
    ["Time", <Time key="at" at={alert.at} />],
    ["By", alert.by === "" ? null : principalName(alert.by)],
    ["Operation", visible(alert.operation)],
    ["Key", alert.key_id === null ? null : to("/keys/{key}", { key: alert.key_id }, keyName(alert))],
    ["Call", alert.call_id === "" ? null : to("/decisions/{call}", { call: alert.call_id }, "Why it was decided so")],
    ["Rule", visible(alert.rule ?? "")],
    ["References", visible(alert.references.join(", "))],
  ];
  return rows.filter(([, value]) => value !== null && value !== "").map(([label, value]) => ({ label, value }));
}

const NEXT: Readonly<Record<string, readonly [AlertState, string][]>> = {
  open: [
    ["acknowledged", "Acknowledge"],
    ["resolved", "Resolve"],
  ],
  acknowledged: [
    ["resolved", "Resolve"],
    ["open", "Open again"],
  ],
  resolved: [["open", "Open again"]],
};

const PAUSE = 200;
const MOST_LOOKS = 25;

/** Returns when the list of marks has the one at this position: it is on the log already, and the list follows the log. */
async function taken(alert: string, position: number): Promise<void> {
  for (let look = 0; look < MOST_LOOKS; look++) {
    const { marks } = await v1().get("/v1/alerts/{alert}", { path: { alert } });
    if ((marks as unknown as Mark[]).some((each) => each.position >= position)) return;
    await new Promise((done) => setTimeout(done, PAUSE));
  }
}

function MarkForm({ alert, again }: { alert: OneAlert; again: () => void }) {
  const [asOf] = useAsOf();
  const [note, setNote] = useState("");
  const [marking, setMarking] = useState<AlertState | null>(null);
  const [overtaken, setOvertaken] = useState<string | null>(null);
  const act = useAct();
  const mark = (state: AlertState) => {
    if (!act.busy) setMarking(state);
    const work = async () => {
      const asked = v1(); // taken before the wait: a click that was meant for a role is not made by its user
      const path = { alert: alert.id };
      // Somebody else may have resolved it since the page was opened: to acknowledge it now would open it again.
      return unlessOvertaken(
        alert.state,
        async () => (await asked.get("/v1/alerts/{alert}", { path })).state,
        async () => taken(alert.id, (await asked.post("/v1/alerts/{alert}", { path, body: { state, note } })).position),
      );
    };
    act.run(work, (instead) => {
      setOvertaken(instead?.now ?? null);
      if (instead === null) setNote("");
      again();
    });
  };
  if (asOf !== null) return null;
  return (
    <Container header={<Header variant="h2">Say what was done</Header>}>
      <SpaceBetween size="s">
        {act.fault !== null && <Problem fault={act.fault} />}
        {overtaken !== null && (
          <Alert type="warning" header={`Somebody else has marked it meanwhile: ${visible(overtaken)}`}>
            Nothing of yours was recorded. Below is what was done.
          </Alert>
        )}
        <FormField label="Note" description="It goes on the log with your name.">
          <Textarea value={note} rows={2} onChange={({ detail }) => setNote(detail.value)} />
        </FormField>
        <SpaceBetween direction="horizontal" size="xs">
          {(NEXT[alert.state] ?? []).map(([state, words]) => (
            <Button key={state} loading={act.busy && marking === state} disabled={act.busy && marking !== state} onClick={() => mark(state)}>
              {visible(words)}
            </Button>
          ))}
        </SpaceBetween>
      </SpaceBetween>
    </Container>
  );
}
