/** One call: why it was decided so, statement by statement, and its record. */

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";

import { callFacts } from "../decisions/call-facts";
import { Explained } from "../decisions/explained";
import type { Permission } from "../decisions/explanation";
import { ProofSaved, SaveProof } from "../evidence/save-proof";
import { href, navigate, type PageProps } from "../router";
import { useAnswer } from "../shown/answer";
import { DocumentText } from "../shown/document";
import { principalName } from "../shown/names";
import { Problem } from "../shown/problem";
import { useFileSaving } from "../shown/saving";
import { useSubject } from "../shown/subject";
import { visible } from "../shown/visible";
import { NARROWEST } from "../shown/widths";
import { type AnswerOf, v1 } from "../v1/client";

type Call = AnswerOf<"/v1/calls/{call}">;

export default function Decision({ places }: PageProps) {
  const call = places["call"] ?? "";
  const [answer, again] = useAnswer(`call ${call}`, (signal) => v1().get("/v1/calls/{call}", { path: { call } }, signal));
  const found = answer.value;
  useSubject(found === null ? "" : `${visible(found.operation)} by ${principalName(found.principal)}`);
  return (
    <SpaceBetween size="m">
      {answer.state === "fault" && <Problem fault={answer.fault} again={again} />}
      {answer.state === "loading" && found === null && <Spinner size="large" />}
      {found !== null && <Shown key={found.call_id} call={found} />}
    </SpaceBetween>
  );
}

function Shown({ call }: { call: Call }) {
  const permissions = ((call as { permissions?: unknown }).permissions ?? null) as Permission[] | null;
  const saving = useFileSaving();
  return (
    <SpaceBetween size="m">
      <Header
        variant="h1"
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <SaveProof call={call.call_id} saving={saving} />
            {call.key_id !== null && call.seen !== null && (
              <Button onClick={() => navigate(href("/keys/{key}", { key: call.key_id ?? "" }, { at: `@${call.seen ?? 0}` }))}>
                The key as it was then
              </Button>
            )}
          </SpaceBetween>
        }
      >
        {visible(call.operation)} by {principalName(call.principal)}
      </Header>
      <ProofSaved saving={saving} />
      <Container header={<Header variant="h2">The call</Header>}>
        <KeyValuePairs columns={3} minColumnWidth={NARROWEST} items={callFacts(call)} />
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
