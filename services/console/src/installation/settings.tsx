/** The settings that the server runs with. Secrets never come this far. */

import Badge from "@cloudscape-design/components/badge";
import Box from "@cloudscape-design/components/box";
import Header from "@cloudscape-design/components/header";
import Table from "@cloudscape-design/components/table";
import TextFilter from "@cloudscape-design/components/text-filter";
import Toggle from "@cloudscape-design/components/toggle";
import { useState } from "react";

import { useAnswer } from "../shown/answer";
import { Problem } from "../shown/problem";
import { visible } from "../shown/visible";
import { type ItemOf, v1 } from "../v1/client";

type Setting = ItemOf<"/v1/settings">;

export function Settings() {
  const [answer, again] = useAnswer("settings", (signal) => v1().get("/v1/settings", {}, signal));
  const [text, setText] = useState("");
  const [setOnly, setSetOnly] = useState(false);
  if (answer.state === "fault" && answer.value === null) return <Problem fault={answer.fault} again={again} />;
  const all: Setting[] = answer.value?.items ?? [];
  const shown = all.filter((each) => (!setOnly || each.source === "set") && `${each.name} ${each.value ?? ""} ${each.meaning}`.toLowerCase().includes(text.toLowerCase()));
  return (
    <Table
      header={
        <Header
          variant="h2"
          counter={all.length === 0 ? "" : `(${shown.length}/${all.length})`}
          description="Environment variables and options of the server. Secrets are never shown."
          actions={
            <Toggle checked={setOnly} onChange={({ detail }) => setSetOnly(detail.checked)}>
              Only what is set
            </Toggle>
          }
        >
          Settings
        </Header>
      }
      filter={<TextFilter filteringText={text} filteringPlaceholder="Find a setting" filteringAriaLabel="Find a setting" onChange={({ detail }) => setText(detail.filteringText)} />}
      items={shown}
      loading={answer.state === "loading" && answer.value === null}
      loadingText="Reading the settings"
      trackBy="name"
      wrapLines
      columnDefinitions={[
        { id: "name", header: "Name", isRowHeader: true, minWidth: 260, cell: ({ name }) => <Box variant="code">{visible(name)}</Box> },
        { id: "value", header: "Value", minWidth: 180, cell: (each) => <Value of={each} /> },
        { id: "source", header: "Where from", minWidth: 110, cell: ({ source }) => (source === "set" ? <Badge color="blue">set</Badge> : "default") },
        { id: "meaning", header: "What it says", minWidth: 320, cell: ({ meaning }) => visible(meaning) },
      ]}
      ariaLabels={{ tableLabel: "Settings" }}
      empty={<Box textAlign="center">{all.length === 0 ? "There are no settings." : "No setting fits."}</Box>}
    />
  );
}

function Value({ of: { secret, source, value } }: { of: Setting }) {
  if (secret) return <Box color="text-body-secondary">{source === "set" ? "a secret" : "–"}</Box>;
  return value === null || value === "" ? <Box color="text-body-secondary">–</Box> : <>{visible(value)}</>;
}
