/** One call of an imported trail: what AWS recorded, and whether the trail explains its answer. */

import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";

import { callFacts } from "../decisions/call-facts";
import { href, navigate, type PageProps, useTrail } from "../router";
import { useAnswer } from "../shown/answer";
import { DocumentText } from "../shown/document";
import { principalName } from "../shown/names";
import { Problem } from "../shown/problem";
import { useSubject } from "../shown/subject";
import { visible } from "../shown/visible";
import { type ItemOf, v1 } from "../v1/client";

/** What only a trail's calls have. */
type TrailCall = ItemOf<"/v1/decisions"> & { outcome?: string; missing?: unknown };

const OUTCOMES: Readonly<Record<string, string>> = {
  explained: "Yes",
  unexplained: "No: the recorded policies contradict it",
  open: "Not known: it depends on what was never seen",
};

export default function TrailCallPage({ places }: PageProps) {
  const call = places["call"] ?? "";
  const trail = useTrail() ?? "";
  const [answer, again] = useAnswer(`call ${call} of ${trail}`, (signal) =>
    v1().get("/v1/decisions", { query: { call_id: call, trail, inputs: "true", limit: 1 } as never }, signal),
  );
  const of = answer.value?.items[0] as TrailCall | undefined;
  useSubject(of === undefined ? "" : `${visible(of.operation)} by ${principalName(of.principal)}`);
  if (answer.state === "fault") return <Problem fault={answer.fault} again={again} />;
  if (answer.value === null) return <Spinner size="large" />;
  if (of === undefined) {
    return (
      <Alert type="info" header="The trail has no such call">
        No record of the trail has the id {visible(call)}.
      </Alert>
    );
  }
  return (
    <SpaceBetween size="m">
      <Header
        variant="h1"
        actions={
          of.key_id !== null && (
            <Button onClick={() => navigate(href("/keys/{key}", { key: of.key_id ?? "" }, { at: of.at }))}>The key as it was then</Button>
          )
        }
      >
        {visible(of.operation)} by {principalName(of.principal)}
      </Header>
      <Container header={<Header variant="h2">The call</Header>}>
        <KeyValuePairs
          columns={3}
          items={[
            ...callFacts(of),
            ...(of.sid === null ? [] : [{ label: "Decided by", value: `“${visible(of.sid)}”` }]),
            ...(of.outcome === undefined ? [] : [{ label: "Does the trail explain the answer?", value: OUTCOMES[of.outcome] ?? visible(of.outcome) }]),
          ]}
        />
      </Container>
      <Container header={<Header variant="h2">The record</Header>}>
        <DocumentText document={of} label="The record" />
      </Container>
    </SpaceBetween>
  );
}
