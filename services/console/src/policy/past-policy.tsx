/** The policy as it was at the time that the pages show: read-only. */

import Box from "@cloudscape-design/components/box";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";

import { asked } from "../router";
import { useAnswer } from "../shown/answer";
import { Problem } from "../shown/problem";
import { Time } from "../shown/time";
import { v1 } from "../v1/client";
import { Waiting } from "./alerts-raised";
import { TextOf } from "./versions";

export function PastPolicy({ keyId, at, trail }: { keyId: string; at: string; trail: string | null }) {
  const [answer, again] = useAnswer(`past policy ${keyId} ${at} ${trail ?? ""}`, (signal) =>
    v1().get("/v1/as-of/keys/{reference}", { path: { reference: keyId }, query: asked(at, trail) }, signal),
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
      {(policy as unknown) === null ? (
        <Box color="text-body-secondary">The trail does not show it: no record of the trail has read or put it.</Box>
      ) : (
        <TextOf text={JSON.stringify(policy, null, 2)} />
      )}
    </Container>
  );
}
