/** What can be done to a key as a whole. */

import {
  CancelKeyDeletionCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  ScheduleKeyDeletionCommand,
  UpdateKeyDescriptionCommand,
} from "@aws-sdk/client-kms";
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import ButtonDropdown from "@cloudscape-design/components/button-dropdown";
import Checkbox from "@cloudscape-design/components/checkbox";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import Textarea from "@cloudscape-design/components/textarea";
import { useState } from "react";

import { kms } from "../../aws";
import { useAnswer } from "../../shown/answer";
import { ChangeModal } from "../../shown/change-modal";
import { Time } from "../../shown/time";
import { visible } from "../../shown/visible";
import { v1 } from "../../v1/client";
import type { KeyFacts } from "./facts";
import { FEWEST_DAYS, fits, MOST_DAYS } from "./waiting-period";

type Doing = "enable" | "disable" | "schedule" | "cancel" | "describe";

interface Doer {
  facts: KeyFacts;
  close: () => void;
  done: (notice: string) => void;
}

export function KeyActions({ facts, changed }: { facts: KeyFacts; changed: (notice: string) => void }) {
  const [doing, setDoing] = useState<Doing | null>(null);
  const { state } = facts;
  const given: Doer = {
    facts,
    close: () => setDoing(null),
    done: (notice) => {
      setDoing(null);
      changed(notice);
    },
  };
  return (
    <>
      <ButtonDropdown
        disabled={facts.managed || state === "Deleted"}
        disabledReason={facts.managed ? "The service manages this key." : "This key is deleted."}
        items={[
          { id: "enable", text: "Enable", disabled: state !== "Disabled", disabledReason: `The key is ${state}.` },
          { id: "disable", text: "Disable", disabled: state !== "Enabled", disabledReason: `The key is ${state}.` },
          { id: "describe", text: "Edit description", disabled: state === "PendingDeletion", disabledReason: `The key is ${state}.` },
          state === "PendingDeletion"
            ? { id: "cancel", text: "Cancel key deletion" }
            : { id: "schedule", text: "Schedule key deletion" },
        ]}
        onItemClick={({ detail }) => setDoing(detail.id as Doing)}
      >
        Key actions
      </ButtonDropdown>
      {doing === "enable" && <Enable {...given} />}
      {doing === "disable" && <Disable {...given} />}
      {doing === "describe" && <Describe {...given} />}
      {doing === "schedule" && <Schedule {...given} />}
      {doing === "cancel" && <Cancel {...given} />}
    </>
  );
}

function Enable({ facts, close, done }: Doer) {
  return (
    <ChangeModal
      title="Enable this key"
      verb="Enable"
      close={close}
      work={async () => (await kms()).send(new EnableKeyCommand({ KeyId: facts.arn }))}
      done={() => done("The key is enabled.")}
    >
      <Box variant="p">Everybody whom its policy, grants and identity policies allow can use it again.</Box>
    </ChangeModal>
  );
}

function Disable({ facts, close, done }: Doer) {
  return (
    <ChangeModal
      title="Disable this key"
      verb="Disable"
      close={close}
      work={async () => (await kms()).send(new DisableKeyCommand({ KeyId: facts.arn }))}
      done={() => done("The key is disabled.")}
    >
      <Box variant="p">Nobody can use it until it is enabled again: what it encrypted cannot be decrypted meanwhile.</Box>
      <LastUse facts={facts} />
    </ChangeModal>
  );
}

function Describe({ facts, close, done }: Doer) {
  const [text, setText] = useState(facts.description);
  return (
    <ChangeModal
      title="Edit the description"
      verb="Save"
      close={close}
      work={async () => (await kms()).send(new UpdateKeyDescriptionCommand({ KeyId: facts.arn, Description: text }))}
      done={() => done("The description is changed.")}
    >
      <FormField label="Description" constraintText="At most 8,192 characters.">
        <Textarea value={text} rows={4} autoFocus onChange={({ detail }) => setText(detail.value)} />
      </FormField>
    </ChangeModal>
  );
}

function Schedule({ facts, close, done }: Doer) {
  const [days, setDays] = useState(String(MOST_DAYS));
  const [sure, setSure] = useState(false);
  return (
    <ChangeModal
      title="Schedule key deletion"
      verb="Schedule deletion"
      close={close}
      incomplete={!fits(days) || !sure}
      work={async () =>
        (await kms()).send(new ScheduleKeyDeletionCommand({ KeyId: facts.arn, PendingWindowInDays: Number(days) }))
      }
      done={({ DeletionDate: date }) => done(`The key will be deleted${date === undefined ? "" : ` on ${date.toUTCString()}`}.`)}
    >
      <Alert type="warning">
        When the waiting period ends, the key material is destroyed. Nobody can decrypt what this key encrypted after that. Disable
        the key instead if you are not sure that it is no longer needed.
      </Alert>
      <LastUse facts={facts} />
      <FormField
        label="Waiting period in days"
        constraintText={`From ${FEWEST_DAYS} to ${MOST_DAYS}. The key cannot be used while it waits; the deletion can be cancelled.`}
        errorText={fits(days) ? null : `Type a whole number from ${FEWEST_DAYS} to ${MOST_DAYS}.`}
      >
        <Input type="number" value={days} onChange={({ detail }) => setDays(detail.value)} />
      </FormField>
      <Checkbox checked={sure} onChange={({ detail }) => setSure(detail.checked)}>
        Delete this key after the waiting period
      </Checkbox>
    </ChangeModal>
  );
}

function Cancel({ facts, close, done }: Doer) {
  return (
    <ChangeModal
      title="Cancel key deletion"
      verb="Cancel deletion"
      close={close}
      work={async () => (await kms()).send(new CancelKeyDeletionCommand({ KeyId: facts.arn }))}
      done={() => done("The deletion is cancelled. The key is disabled: enable it to use it.")}
    >
      <Box variant="p">The key stays, and is disabled until it is enabled.</Box>
    </ChangeModal>
  );
}

/** Who used the key last: what a deletion would break. */
function LastUse({ facts }: { facts: KeyFacts }) {
  const [answer] = useAnswer(`last use ${facts.arn}`, (signal) =>
    v1().get("/v1/keys/{key}/last-use", { path: { key: facts.arn } }, signal),
  );
  if (answer.state === "loading") return <Box color="text-body-secondary">Asking when it was last used…</Box>;
  if (answer.state === "fault") {
    return <Box color="text-body-secondary">Its last use is not shown: {visible(answer.fault.message)}</Box>;
  }
  const last = answer.value.last as { operation: string; last: string; principal: string } | null | undefined;
  const { began } = answer.value;
  if ((last === null || last === undefined) && began !== null) {
    return (
      <Box>
        No use is on record since <Time at={began} />. Whether it was used before is not known.
      </Box>
    );
  }
  if (last === null || last === undefined) return <Box>It was never used.</Box>;
  return (
    <Box>
      Last used <Time at={last.last} />, for {visible(last.operation)}, by {visible(last.principal)}.
    </Box>
  );
}
