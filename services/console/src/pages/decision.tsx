/** One call: why it was decided so, statement by statement, and its record. */

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import Link from "@cloudscape-design/components/link";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";

import { Effect } from "../decisions/effect";
import { Explained } from "../decisions/explained";
import type { Permission } from "../decisions/explanation";
import { follow, href, navigate, type PageProps } from "../router";
import { useAnswer } from "../shown/answer";
import { DocumentText } from "../shown/document";
import { keyName, principalName } from "../shown/names";
import { Problem } from "../shown/problem";
import { Time } from "../shown/time";
import { visible } from "../shown/visible";
import { NARROWEST } from "../shown/widths";
import { type AnswerOf, v1 } from "../v1/client";

type Call = AnswerOf<"/v1/calls/{call}">;

export default function Decision({ places }: PageProps) {
  const call = places["call"] ?? "";
  const [answer, again] = useAnswer(`call ${call}`, (signal) => v1().get("/v1/calls/{call}", { path: { call } }, signal));
  const found = answer.value;
  return (
    <SpaceBetween size="m">
      {answer.state === "fault" && <Problem fault={answer.fault} again={again} />}
      {answer.state === "loading" && found === null && <Spinner size="large" />}
      {found !== null && <Shown call={found} />}
    </SpaceBetween>
  );
}

function Shown({ call }: { call: Call }) {
  const permissions = ((call as { permissions?: unknown }).permissions ?? null) as Permission[] | null;
  return (
    <SpaceBetween size="m">
      <Header
        variant="h1"
        actions={
          call.key_id !== null &&
          call.seen !== null && (
            <Button onClick={() => navigate(href("/keys/{key}", { key: call.key_id ?? "" }, { at: `@${call.seen ?? 0}` }))}>
              The key as it was then
            </Button>
          )
        }
      >
        {visible(call.operation)} by {principalName(call.principal)}
      </Header>
      <Container header={<Header variant="h2">The call</Header>}>
        <KeyValuePairs columns={3} minColumnWidth={NARROWEST} items={facts(call)} />
      </Container>
      {(permissions ?? []).map((each, index) => (
        <Explained key={index} permission={each} />
      ))}
      {permissions === null && (
        <Box color="text-body-secondary">The call went across accounts: only the other account may read its policies.</Box>
      )}
      {permissions?.length === 0 && <Box color="text-body-secondary">No permission was asked for this call.</Box>}
      <ExpandableSection headerText="The record" variant="container">
        <DocumentText document={call} label="The record" />
      </ExpandableSection>
    </SpaceBetween>
  );
}

function facts(call: Call) {
  const pairs = Object.entries(call.encryption_context ?? {}).map(([name, value]) => `${name}=${String(value)}`);
  const key =
    call.key_id === null ? null : (
      <Link href={href("/keys/{key}", { key: call.key_id })} onFollow={follow}>
        {keyName(call)}
      </Link>
    );
  const rows: [string, React.ReactNode][] = [
    ["Answer", <Effect key="effect" effect={call.effect} />],
    ["Told the caller", call.message === null ? null : visible(call.message)],
    ["Time", <Time key="time" at={call.at} />],
    ["Principal", visible(call.principal)],
    ["Key", key],
    ["Access key", visible(call.access_key)],
    ["Source address", visible(call.source)],
    ["User agent", visible(call.agent)],
    ["Through", call.via === null ? null : visible(call.via)],
    ["Encryption context", pairs.length === 0 ? null : visible(pairs.join(", "))],
    ["Position", call.position === null ? null : `@${call.position}`],
    ["Decided on the state of", call.seen === null ? null : `@${call.seen}`],
    ["Call", visible(call.call_id)],
  ];
  return rows.filter(([, value]) => value !== null && value !== "").map(([label, value]) => ({ label, value }));
}
