import Alert, { type AlertProps } from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import { Suspense, useEffect, useRef } from "react";

import { type Answer, useAnswer } from "../../shown/answer";
import { type Fault, isUnanswered } from "../../shown/fault";
import { principalName } from "../../shown/names";
import { onDemand } from "../../shown/on-demand";
import { Problem } from "../../shown/problem";
import { Time } from "../../shown/time";
import { visible } from "../../shown/visible";
import { v1 } from "../../v1/client";
import { full } from "../key/alias-name";
import { ORIGINS, USAGES } from "../key/words";
import { basisOf, type Draft } from "./draft";

const Editor = onDemand(() => import("../../policy/editor"));

interface ReviewProps {
  draft: Draft;
  change: (changes: Partial<Draft>) => void;
  generated: Answer<string>;
  again: () => void;
  /** Why the key was not made. */
  fault: Fault | null;
  /** Whether the server would not know the unanswered try again: another click would make a second key. */
  forgotten: boolean;
  /** How many clicks sent nothing for that reason. */
  heldBack: number;
}

function named(arns: readonly string[]): string {
  return arns.map((each) => principalName(each)).join(", ") || "–";
}

export function ReviewStep({ draft, change, generated, again, fault, forgotten, heldBack }: ReviewProps) {
  const warning = useRef<AlertProps.Ref>(null);
  useEffect(() => {
    if (heldBack > 0) warning.current?.focus(); // the button is below, and did nothing
  }, [heldBack]);
  return (
    <SpaceBetween size="l">
      {draft.attempt !== null && forgotten && (
        <Alert
          ref={warning}
          type="warning"
          header="An earlier try had no answer"
          action={<Button onClick={() => change({ attempt: null })}>There is no such key</Button>}
        >
          Look in the list of keys first: this key may have been made at <Time at={new Date(draft.attempt.at)} />. You signed in again
          since, or it is too long ago, so another click could make a second one. Create key does nothing until you have looked.
        </Alert>
      )}
      {fault !== null && (
        <SpaceBetween size="s">
          <Problem fault={fault} />
          {isUnanswered(fault) && !forgotten && (
            <Alert type="info">
              It is not known whether the key was made. Click Create key again without a change: if it was, you get that key, and no
              second one.
            </Alert>
          )}
        </SpaceBetween>
      )}
      <Container header={<Header variant="h2" actions={<Edit step={0} change={change} what="the key's kind" />}>Key</Header>}>
        <KeyValuePairs
          columns={3}
          items={[
            { label: "Key spec", value: draft.spec },
            { label: "Key usage", value: USAGES[draft.usage] ?? draft.usage },
            { label: "Origin", value: ORIGINS[draft.origin] },
          ]}
        />
      </Container>
      <Container header={<Header variant="h2" actions={<Edit step={1} change={change} what="alias, description and tags" />}>Labels</Header>}>
        <KeyValuePairs
          columns={3}
          items={[
            { label: "Alias", value: visible(full(draft.alias)) },
            { label: "Description", value: visible(draft.description) || "–" },
            { label: "Tags", value: draft.tags.map((tag) => visible(`${tag.name}=${tag.value}`)).join(", ") || "–" },
          ]}
        />
      </Container>
      <Container header={<Header variant="h2" actions={<Edit step={2} change={change} what="administrators and users" />}>Who</Header>}>
        <KeyValuePairs
          columns={3}
          items={[
            {
              label: "Key administrators",
              value: `${named(draft.administrators)}${draft.administrators.length > 0 && !draft.mayDelete ? " (they may not delete the key)" : ""}`,
            },
            { label: "Key users", value: named(draft.users) },
            { label: "Other accounts", value: draft.accounts.map((each) => visible(each)).join(", ") || "–" },
          ]}
        />
      </Container>
      <Policy draft={draft} change={change} generated={generated} again={again} />
    </SpaceBetween>
  );
}

function Edit({ step, change, what }: { step: number; change: ReviewProps["change"]; what: string }) {
  return (
    <Button ariaLabel={`Edit ${what}`} onClick={() => change({ step })}>
      Edit
    </Button>
  );
}

function Policy({ draft, change, generated, again }: Omit<ReviewProps, "fault" | "forgotten" | "heldBack">) {
  const basis = basisOf(draft);
  const { edited } = draft;
  const outdated = edited !== null && edited.basis !== basis;
  const text = edited?.policy ?? (generated.value || null);
  const [words] = useAnswer("policy words", (signal) => v1().get("/v1/policy-words", {}, signal));
  return (
    <Container
      header={
        <Header
          variant="h2"
          description="Keytrail made it from what you chose, as the AWS console would. You may still change it."
          {...(edited === null ? {} : { info: <Box variant="small">edited</Box> })}
          actions={edited !== null && <Button onClick={() => change({ edited: null })}>Use the generated policy</Button>}
        >
          Key policy
        </Header>
      }
    >
      <SpaceBetween size="m">
        {generated.state === "fault" && <Problem fault={generated.fault} again={again} />}
        {outdated && (
          <Alert
            type="warning"
            header="You edited this policy before you chose otherwise"
            action={<Button onClick={() => change({ edited: { ...edited, basis } })}>Keep my policy</Button>}
          >
            It does not have what you changed since. Keep it as it is, or use the generated policy.
          </Alert>
        )}
        {draft.administrators.length === 0 && edited === null && (
          <Box color="text-body-secondary">
            Nobody is named as administrator: this account's identity policies alone decide who administers the key.
          </Box>
        )}
        {text === null ? (
          generated.state === "loading" && <Spinner />
        ) : (
          <Suspense fallback={<Spinner />}>
            <Editor
              text={text}
              fault={null}
              words={words.value as never}
              onText={(policy) => {
                // The editor also tells what it was just given.
                if (policy !== text) change({ edited: { policy, basis } });
              }}
            />
          </Suspense>
        )}
      </SpaceBetween>
    </Container>
  );
}
