/** /keys/{key}/{tab}: one key, with what can be done to it. */

import Alert from "@cloudscape-design/components/alert";
import Container from "@cloudscape-design/components/container";
import ContentLayout from "@cloudscape-design/components/content-layout";
import CopyToClipboard from "@cloudscape-design/components/copy-to-clipboard";
import Flashbar from "@cloudscape-design/components/flashbar";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import Tabs from "@cloudscape-design/components/tabs";
import { ListAliasesCommand } from "@aws-sdk/client-kms";
import { useState } from "react";

import { kms } from "../../aws";
import { MakeEvidence } from "../../evidence/make-evidence";
import { href, navigate, type PageProps, useAsOf, useTrail } from "../../router";
import { useAnswer } from "../../shown/answer";
import { Problem } from "../../shown/problem";
import { Time } from "../../shown/time";
import { useSubject } from "../../shown/subject";
import { visible } from "../../shown/visible";
import { NARROWEST } from "../../shown/widths";
import { KeyActions } from "./actions";
import { factsAt, factsNow, type KeyFacts, type TabProps } from "./facts";
import { KeyState } from "./state";
import { tabsFor } from "./tabs";
import { aliasWords } from "./words";

/** The first ones, and whether there are others, which the tab of aliases shows. */
async function aliasesOf(facts: KeyFacts, signal: AbortSignal): Promise<{ names: readonly string[]; more: boolean }> {
  if (facts.past !== null) return { names: facts.past.aliases, more: false };
  const answer = await (await kms()).send(new ListAliasesCommand({ KeyId: facts.arn }), { abortSignal: signal });
  return { names: (answer.Aliases ?? []).map((each) => each.AliasName ?? ""), more: answer.NextMarker !== undefined };
}

const END_OF_TIME = "9999-12-31T00:00:00Z";

export default function KeyPage({ places }: PageProps) {
  const name = places["key"] ?? "";
  const [asOf] = useAsOf();
  const trail = useTrail();
  // A trail is the past: nothing of it can be changed. Without a time, it is asked as it was at its end.
  const at = asOf ?? (trail === null ? null : END_OF_TIME);
  const [notices, setNotices] = useState<readonly string[]>([]);
  const [answer, again] = useAnswer(
    `key ${name} ${at ?? ""} ${trail ?? ""}`,
    (signal) => (at === null ? factsNow(name, signal) : factsAt(name, at, trail, signal)),
    notices.length,
  );
  // The past without its answer is shown as nothing, never as the present, and the other way round.
  const facts = answer.value !== null && (answer.value.past !== null) === (at !== null) ? answer.value : null;
  const given: TabProps = {
    name: facts?.arn ?? name,
    facts,
    at,
    trail,
    round: notices.length,
    changed: (notice) => setNotices((before) => [...before, notice]),
  };
  const [aliases] = useAnswer(
    `aliases ${facts?.arn ?? ""} ${facts?.past?.position ?? ""}`,
    (signal) => (facts === null ? Promise.resolve({ names: [], more: false }) : aliasesOf(facts, signal)),
    notices.length,
  );
  const names = (aliases.value?.names ?? []).map((each) => each.replace(/^alias\//, ""));
  const id = visible(facts?.id ?? name);
  const named = aliasWords(names, aliases.value?.more === true);
  const called = names[0] === undefined ? id : visible(names[0]);
  useSubject(called);
  const last = notices.at(-1);
  // Of a deleted key the record is left.
  const gone = answer.state === "fault" && answer.fault.kind === "not there";
  const tabs = tabsFor({ facts, at, trail, gone });
  const asked = places["tab"] ?? "policy";
  const wanted = facts === null && (gone || at !== null) && !tabs.some((each) => each.id === asked) ? "history" : asked;

  return (
    <ContentLayout
      notifications={
        last !== undefined &&
        last !== "" && (
          <Flashbar
            items={[
              {
                id: String(notices.length),
                type: "success",
                ariaRole: "status",
                content: visible(last),
                dismissible: true,
                dismissLabel: "Close",
                onDismiss: () => setNotices((before) => [...before.slice(0, -1), ""]),
              },
            ]}
          />
        )
      }
      header={
        <Header
          variant="h1"
          description={called === id ? undefined : id}
          {...(at !== null || (facts === null && !gone)
            ? {}
            : {
                actions: (
                  <SpaceBetween direction="horizontal" size="xs">
                    <MakeEvidence about={{ key: given.name }} />
                    {facts !== null && <KeyActions facts={facts} changed={given.changed} />}
                  </SpaceBetween>
                ),
              })}
        >
          {called}
        </Header>
      }
    >
      <SpaceBetween size="l">
        {answer.state === "fault" && <Problem fault={answer.fault} again={again} />}
        {facts !== null && (
          <General
            key={facts.arn}
            facts={facts}
            aliases={aliases.state === "fault" ? `Not shown: ${visible(aliases.fault.message)}` : visible(named) || "–"}
          />
        )}
        {facts === null && answer.state === "loading" ? (
          <Spinner size="large" />
        ) : tabs.some((each) => each.id === wanted) ? (
          <Tabs
            ariaLabel="Of this key"
            activeTabId={wanted}
            onChange={({ detail }) => {
              navigate(href("/keys/{key}/{tab}", { key: name, tab: detail.activeTabId }));
            }}
            tabs={tabs.map((each) => ({ id: each.id, label: each.label, content: <each.tab {...given} /> }))}
          />
        ) : (
          <Alert type="info" header="There is no such tab">
            A key of this kind has: {tabs.map((each) => each.label).join(", ")}.
          </Alert>
        )}
      </SpaceBetween>
    </ContentLayout>
  );
}

function General({ facts, aliases }: { facts: KeyFacts; aliases: string }) {
  return (
    <Container header={<Header variant="h2">General configuration</Header>}>
      <KeyValuePairs
        minColumnWidth={NARROWEST}
        columns={3}
        items={[
          { label: "Alias", value: aliases },
          { label: "Status", value: facts.state === "" ? "The trail does not show it" : <KeyState state={facts.state} /> },
          { label: "Created", value: <Time at={facts.createdAt} /> },
          {
            label: "ARN",
            value: (
              <CopyToClipboard
                variant="inline"
                textToCopy={facts.arn}
                textToDisplay={visible(facts.arn)}
                copyButtonAriaLabel="Copy the ARN"
                copySuccessText="Copied"
                copyErrorText="The browser did not copy it"
              />
            ),
          },
          { label: "Description", value: visible(facts.description) || "–" },
          ...(facts.state === "PendingDeletion" ? [{ label: "Deleted at", value: <Time at={facts.deletionAt} /> }] : []),
          ...(facts.managed ? [{ label: "Managed by", value: "An AWS service, for this account" }] : []),
        ]}
      />
    </Container>
  );
}
