/** Before a policy is replaced: what the draft changes, whom it would have stopped, which alerts it would raise, and whether it locks
 * its author out. One button replaces the policy whole, if nobody else has replaced it meanwhile. */

import { PutKeyPolicyCommand } from "@aws-sdk/client-kms";
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Checkbox from "@cloudscape-design/components/checkbox";
import Container from "@cloudscape-design/components/container";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { kms } from "../aws";
import { endIfRefused } from "../session/refused";
import { current } from "../session/session";
import { useAnswer } from "../shown/answer";
import { type Fault, faultOf } from "../shown/fault";
import { Problem } from "../shown/problem";
import { visible } from "../shown/visible";
import { v1 } from "../v1/client";
import { AlertsRaised, Waiting } from "./alerts-raised";
import { checkDraft } from "./check";
import { Meaning } from "./regions";
import { TextDiff } from "./text-difference";
import { WhatIf } from "./what-if";

export interface OpenedPolicy {
  text: string;
  version: number;
  /** Whether it has the form that the console makes, so that the default view shows it. */
  inForm: boolean;
}

interface ReviewProps {
  keyId: string;
  /** What the draft began from; its text may not be known any more. */
  opened: { version: number; text: string | null };
  draft: string;
  /** What the draft is, if it is not the user's own: "version 3". */
  about: string | null;
  onBack: () => void;
  /** The policy was replaced; `version` is the one now in force. */
  onReplaced: (version: number) => void;
  /** Another policy was put meanwhile: go on from that one. */
  onOpenAnew: () => void;
}

export function Review({ keyId, opened, draft, about, onBack, onReplaced, onOpenAnew }: ReviewProps) {
  const [check, checkAgain] = useAnswer(`check ${keyId} ${draft}`, (signal) => checkDraft(keyId, draft, signal));
  const [difference, compareAgain] = useAnswer(`diff ${keyId} ${opened.version} ${draft}`, (signal) =>
    v1().post("/v1/keys/{key}/diff", { path: { key: keyId }, body: { from: String(opened.version), to_policy: draft } }, signal),
  );
  const [confirmed, setConfirmed] = useState(false);
  const [putting, setPutting] = useState(false);
  const [fault, setFault] = useState<Fault | null>(null);
  const [overtaken, setOvertaken] = useState<number | null>(null);

  const found = check.state === "there" ? check.value : null;
  const seen = Math.max(overtaken ?? 0, found?.version ?? 0);
  const newest = seen > opened.version ? seen : null;
  const lockedOut = found?.lockedOut === true;

  const replace = async (): Promise<void> => {
    setPutting(true);
    setFault(null);
    const asked = current();
    try {
      const client = await kms(); // taken before the wait: a click that was meant for a role is not made by its user
      const now = await checkDraft(keyId, draft);
      if (now.version !== opened.version) {
        setOvertaken(now.version);
        return;
      }
      await client.send(new PutKeyPolicyCommand({ KeyId: keyId, PolicyName: "default", Policy: draft }));
      onReplaced(now.version + 1);
    } catch (thrown) {
      const refused = faultOf(thrown);
      endIfRefused(refused, asked);
      setFault(refused);
    } finally {
      setPutting(false);
    }
  };

  const mayReplace = found !== null && found.fault === null && newest === null && !found.unchanged && (!lockedOut || confirmed);
  return (
    <SpaceBetween size="l">
      <Header
        variant="h2"
        description={`What changes when version ${opened.version} is replaced by ${about === null ? "the draft" : visible(about)}.`}
        actions={<Button onClick={onBack}>Back to the editor</Button>}
      >
        Review of the new policy
      </Header>
      {newest !== null && <Overtaken keyId={keyId} opened={opened.version} newest={newest} onOpenAnew={onOpenAnew} />}
      {check.state === "fault" && <Problem fault={check.fault} again={checkAgain} />}
      {found?.unchanged === true && <Alert type="info">The draft is the policy in force, to the byte. There is nothing to replace.</Alert>}
      {found?.fault !== null && found !== null && (
        <Alert type="error" header="The policy cannot be put" action={<Button onClick={onBack}>Back to the editor</Button>}>
          {visible(found.fault.message)} (line {found.fault.row + 1}, column {found.fault.column + 1})
        </Alert>
      )}
      {lockedOut && (
        <Alert type="warning" header="This policy locks you out">
          <SpaceBetween size="xs">
            <Box>
              You could not replace the policy of this key again. KMS refuses such a policy unless its safety check is bypassed, which
              the console never does. It would say: {visible(found.refusal)}
            </Box>
            <Checkbox checked={confirmed} onChange={({ detail }) => setConfirmed(detail.checked)}>
              I understand that I would lose the permission to change this policy
            </Checkbox>
          </SpaceBetween>
        </Alert>
      )}
      {found?.fault === null && (
        <SpaceBetween size="l">
          <Container header={<Header variant="h3">What becomes allowed and denied</Header>}>
            {difference.state === "fault" ? (
              <Problem fault={difference.fault} again={compareAgain} />
            ) : difference.state === "loading" ? (
              <Waiting text="Comparing the two policies" />
            ) : (
              <Meaning found={difference.value} />
            )}
          </Container>
          <Container header={<Header variant="h3">Logged calls that it would have decided otherwise</Header>}>
            <WhatIf keyId={keyId} draft={draft} />
          </Container>
          <Container header={<Header variant="h3">Alerts that it would raise</Header>}>
            <AlertsRaised keyId={keyId} draft={draft} />
          </Container>
          {opened.text !== null && (
            <ExpandableSection variant="container" headerText="The text, line by line">
              <TextDiff before={opened.text} after={draft} />
            </ExpandableSection>
          )}
        </SpaceBetween>
      )}
      {fault !== null && <Problem fault={fault} />}
      <Box float="right">
        <SpaceBetween direction="horizontal" size="xs">
          <Button variant="link" onClick={onBack}>
            Cancel
          </Button>
          <Button variant="primary" disabled={!mayReplace} loading={putting} onClick={() => void replace()}>
            Replace the policy
          </Button>
        </SpaceBetween>
      </Box>
    </SpaceBetween>
  );
}

interface OvertakenProps {
  keyId: string;
  opened: number;
  newest: number;
  onOpenAnew: () => void;
}

/** Somebody else replaced the policy since it was opened: what they changed, before anything is put on top of it. */
function Overtaken({ keyId, opened, newest, onOpenAnew }: OvertakenProps) {
  const [answer, again] = useAnswer(`overtaken ${keyId} ${opened} ${newest}`, (signal) =>
    v1().post("/v1/keys/{key}/diff", { path: { key: keyId }, body: { from: String(opened), to: String(newest) } }, signal),
  );
  const to = answer.state === "there" ? (answer.value.to as { principal?: string; at?: string }) : {};
  return (
    <Alert
      type="warning"
      header={`The policy was replaced since you opened it: version ${newest} is in force, you began from version ${opened}`}
      action={<Button onClick={onOpenAnew}>Review against version {newest}</Button>}
    >
      <SpaceBetween size="s">
        <Box>
          {to.principal !== undefined && visible(`${to.principal} put it at ${to.at ?? ""}. `)}
          Your draft is kept, and nothing was replaced. This is what the other change did:
        </Box>
        {answer.state === "fault" && <Problem fault={answer.fault} again={again} />}
        {answer.state === "loading" && <Waiting text="Comparing the two versions" />}
        {answer.state === "there" && <Meaning found={answer.value} />}
      </SpaceBetween>
    </Alert>
  );
}
