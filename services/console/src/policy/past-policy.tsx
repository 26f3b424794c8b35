/** The policy as it was at the time that the pages show: read-only. */

import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";

import { useAnswer } from "../shown/answer";
import { Problem } from "../shown/problem";
import { Time } from "../shown/time";
import { v1 } from "../v1/client";
import { Waiting } from "./alerts-raised";
import { TextOf } from "./versions";

export function PastPolicy({ keyId, at }: { keyId: string; at: string }) {
  const [answer, again] = useAnswer(`past policy ${keyId} ${at}`, (signal) =>
    v1().get("/v1/as-of/keys/{reference}", { path: { reference: keyId }, query: { at } }, signal),
  );
  if (answer.state === "fault") return <Problem fault={answer.fault} again={again} />;
  if (answer.value === null) return <Waiting text="Asking for the policy of that time" />;
  const { policy, position, at: when } = answer.value;
  return (
    <Container
      header={
        <Header
          variant="h2"
          description={
            <>
              As it was at <Time at={when} /> (@{position}). The past cannot be changed.
            </>
          }
        >
          Key policy
        </Header>
      }
    >
      <TextOf text={JSON.stringify(policy, null, 2)} />
    </Container>
  );
}
