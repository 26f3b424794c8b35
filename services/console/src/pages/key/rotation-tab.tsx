import {
  DisableKeyRotationCommand,
  EnableKeyRotationCommand,
  GetKeyRotationStatusCommand,
  ListKeyRotationsCommand,
  RotateKeyOnDemandCommand,
  type RotationsListEntry,
} from "@aws-sdk/client-kms";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { kms } from "../../aws";
import { useAnswer } from "../../shown/answer";
import { ChangeModal } from "../../shown/change-modal";
import { Listing } from "../../shown/listing";
import { Problem } from "../../shown/problem";
import { Time } from "../../shown/time";
import { visible } from "../../shown/visible";
import type { TabProps } from "./facts";

interface RotationState {
  days: number | null;
  next: Date | string | null;
}

const USUAL_DAYS = 365;
const FEWEST_DAYS = 90;
const MOST_DAYS = 2560;

type Doing = "on" | "off" | "rotate";

async function statusOf({ name, facts }: TabProps, signal: AbortSignal): Promise<RotationState> {
  const past = facts?.past;
  if (past !== null && past !== undefined) return { days: past.rotationDays, next: past.nextRotation };
  const answer = await (await kms()).send(new GetKeyRotationStatusCommand({ KeyId: name }), { abortSignal: signal });
  const days = answer.KeyRotationEnabled === true ? (answer.RotationPeriodInDays ?? USUAL_DAYS) : null;
  return { days, next: answer.NextRotationDate ?? null };
}

export function RotationTab(props: TabProps) {
  const { name, facts, at, round, changed } = props;
  const [doing, setDoing] = useState<Doing | null>(null);
  const [answer, again] = useAnswer(`rotation ${name} ${at ?? ""} ${facts?.past?.position ?? ""}`, (signal) => statusOf(props, signal), round);
  const close = () => setDoing(null);
  const done = (notice: string) => {
    close();
    changed(notice);
  };
  const status = answer.value;
  const fixed = at !== null || facts?.managed === true;
  const imported = facts?.origin === "EXTERNAL";
  return (
    <SpaceBetween size="l">
      {answer.state === "fault" && <Problem fault={answer.fault} again={again} />}
      <Container
        header={
          <Header
            variant="h2"
            description="New key material is made; the old stays, to decrypt what it encrypted."
            actions={
              !fixed && (
                <SpaceBetween direction="horizontal" size="xs">
                  {status?.days != null && <Button onClick={() => setDoing("off")}>Switch off</Button>}
                  {!imported && <Button onClick={() => setDoing("on")}>{status?.days == null ? "Switch on" : "Change period"}</Button>}
                  <Button onClick={() => setDoing("rotate")}>Rotate now</Button>
                </SpaceBetween>
              )
            }
          >
            Automatic rotation
          </Header>
        }
      >
        <KeyValuePairs
          columns={3}
          items={[
            { label: "Status", value: status === null ? "–" : status.days === null ? "Off" : "On" },
            { label: "Period", value: status?.days == null ? "–" : `${status.days} days` },
            { label: "Next rotation", value: <Time at={status?.next} /> },
          ]}
        />
      </Container>
      {at === null && (
        <Listing<RotationsListEntry>
          title="Key materials"
          description="Every material that this key has or had, in the order in which it came."
          question={`rotations ${name}`}
          round={round}
          load={async (cursor, signal) => {
            const request = { KeyId: name, Limit: 50, IncludeKeyMaterial: "ALL_KEY_MATERIAL" as const };
            const command = new ListKeyRotationsCommand({ ...request, ...(cursor === "" ? {} : { Marker: cursor }) });
            const found = await (await kms()).send(command, { abortSignal: signal });
            return { items: found.Rotations ?? [], next: found.NextMarker ?? null };
          }}
          columns={[
            { id: "id", header: "Key material ID", isRowHeader: true, cell: (each) => visible(each.KeyMaterialId ?? "") || "–" },
            { id: "state", header: "State", cell: (each) => STATES[each.KeyMaterialState ?? ""] ?? visible(each.KeyMaterialState ?? "–") },
            { id: "type", header: "Rotation", cell: (each) => TYPES[each.RotationType ?? ""] ?? "First" },
            { id: "at", header: "Rotated", cell: (each) => <Time at={each.RotationDate} /> },
          ]}
          keyOf={(each) => each.KeyMaterialId ?? ""}
          empty="This key has no material."
        />
      )}
      {doing === "on" && <SwitchOn name={name} days={status?.days ?? USUAL_DAYS} close={close} done={done} />}
      {doing === "off" && (
        <ChangeModal
          title="Switch automatic rotation off"
          verb="Switch off"
          close={close}
          work={async () => (await kms()).send(new DisableKeyRotationCommand({ KeyId: name }))}
          done={() => done("Automatic rotation is off.")}
        >
          <Box variant="p">The key keeps its present material until it is rotated by hand or this is switched on again.</Box>
        </ChangeModal>
      )}
      {doing === "rotate" && (
        <ChangeModal
          title="Rotate now"
          verb="Rotate"
          close={close}
          work={async () => (await kms()).send(new RotateKeyOnDemandCommand({ KeyId: name }))}
          done={() => done("The key is rotated.")}
        >
          <Box variant="p">
            {imported
              ? "The imported material that waits for rotation becomes the current one."
              : "New material encrypts from now on. A key can be rotated by hand 25 times. Automatic rotation goes on as before."}
          </Box>
        </ChangeModal>
      )}
    </SpaceBetween>
  );
}

const STATES: Readonly<Record<string, string>> = { CURRENT: "Current", NON_CURRENT: "Decrypts only", PENDING_ROTATION: "Waits for rotation" };
const TYPES: Readonly<Record<string, string>> = { AUTOMATIC: "Automatic", ON_DEMAND: "On demand" };

function SwitchOn({ name, days, close, done }: { name: string; days: number; close: () => void; done: (notice: string) => void }) {
  const [text, setText] = useState(String(days));
  const count = Number(text);
  const fits = Number.isInteger(count) && count >= FEWEST_DAYS && count <= MOST_DAYS;
  return (
    <ChangeModal
      title="Automatic rotation"
      verb="Save"
      close={close}
      incomplete={!fits}
      work={async () => (await kms()).send(new EnableKeyRotationCommand({ KeyId: name, RotationPeriodInDays: count }))}
      done={() => done(`The key is rotated every ${count} days.`)}
    >
      <FormField
        label="Period in days"
        constraintText={`From ${FEWEST_DAYS} to ${MOST_DAYS.toLocaleString("en")}.`}
        errorText={fits ? null : `Type a whole number from ${FEWEST_DAYS} to ${MOST_DAYS}.`}
      >
        <Input type="number" value={text} autoFocus onChange={({ detail }) => setText(detail.value)} />
      </FormField>
    </ChangeModal>
  );
}
