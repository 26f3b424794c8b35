/** A change of all the keys that are selected: which of them it can reach, then what became of each. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Checkbox from "@cloudscape-design/components/checkbox";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import Modal from "@cloudscape-design/components/modal";
import ProgressBar from "@cloudscape-design/components/progress-bar";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useEffect, useRef, useState } from "react";

import { FEWEST_DAYS, fits, MOST_DAYS } from "../pages/key/waiting-period";
import { endIfRefused } from "../session/refused";
import { current } from "../session/session";
import type { Fault } from "../shown/fault";
import { keyName } from "../shown/names";
import { Problem } from "../shown/problem";
import { visible } from "../shown/visible";
import type { ListedKey } from "./columns";
import { applies, changeMany, type ManyVerb, type Outcome } from "./many";

const WORDS: Record<ManyVerb, { title: string; verb: string; means: string; done: string }> = {
  enable: {
    title: "Enable keys",
    verb: "Enable",
    means: "Everybody whom their policies, grants and identity policies allow can use them again.",
    done: "enabled",
  },
  disable: {
    title: "Disable keys",
    verb: "Disable",
    means: "Nobody can use them until they are enabled again: what they encrypted cannot be decrypted meanwhile.",
    done: "disabled",
  },
  schedule: {
    title: "Schedule key deletion",
    verb: "Schedule deletion",
    means:
      "When the waiting period ends, the key material is destroyed. Nobody can decrypt what these keys encrypted after that. " +
      "Disable the keys instead if you are not sure that they are no longer needed.",
    done: "scheduled for deletion",
  },
  cancel: {
    title: "Cancel key deletion",
    verb: "Cancel deletion",
    means: "The keys stay, and are disabled until they are enabled.",
    done: "kept",
  },
};

function counted(count: number): string {
  return count === 1 ? "1 key" : `${count} keys`;
}

export interface ManyModalProps {
  verb: ManyVerb;
  selected: readonly ListedKey[];
  /** Told for each key that was changed. */
  changed: (key: ListedKey, state: string) => void;
  close: () => void;
}

export function ManyModal({ verb, selected, changed, close }: ManyModalProps) {
  // The rows may change below while the change is under way.
  const [keys] = useState(() => selected.filter((each) => applies(verb, each.state)));
  const [others] = useState(() => selected.filter((each) => !applies(verb, each.state)));
  const [days, setDays] = useState(String(MOST_DAYS));
  const [sure, setSure] = useState(false);
  const [state, setState] = useState<"asking" | "under way" | "over">("asking");
  const [outcomes, setOutcomes] = useState<readonly { key: ListedKey; outcome: Outcome }[]>([]);
  const stop = useRef<AbortController | null>(null);
  useEffect(() => () => stop.current?.abort(), []);
  const words = WORDS[verb];
  const ready = verb !== "schedule" || (fits(days) && sure);

  async function run(): Promise<void> {
    if (stop.current !== null) return;
    stop.current = new AbortController();
    const asked = current();
    setState("under way");
    const byArn = new Map(keys.map((each) => [each.arn, each]));
    await changeMany(
      verb,
      [...byArn.keys()],
      Number(days),
      (arn, outcome) => {
        const key = byArn.get(arn);
        if (key === undefined) return;
        setOutcomes((all) => [...all, { key, outcome }]);
        if ("state" in outcome) changed(key, outcome.state);
        else endIfRefused(outcome.fault, asked);
      },
      stop.current.signal,
    );
    setState("over");
  }

  const faults = outcomes.flatMap(({ key, outcome }) => ("fault" in outcome ? [{ key, fault: outcome.fault }] : []));
  const done = outcomes.length - faults.length;
  return (
    <Modal
      visible
      header={words.title}
      closeAriaLabel="Close"
      onDismiss={({ detail }) => {
        if (detail.reason !== "overlay" && state !== "under way") close();
      }}
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            {state === "asking" && (
              <>
                <Button variant="link" onClick={close}>
                  Cancel
                </Button>
                <Button variant="primary" disabled={!ready || keys.length === 0} onClick={() => void run()}>
                  {words.verb}
                </Button>
              </>
            )}
            {state === "under way" && <Button onClick={() => stop.current?.abort()}>Stop after those under way</Button>}
            {state === "over" && (
              <Button variant="primary" onClick={close}>
                Close
              </Button>
            )}
          </SpaceBetween>
        </Box>
      }
    >
      <SpaceBetween size="m">
        {state === "asking" && (
          <>
            {verb === "schedule" ? <Alert type="warning">{words.means}</Alert> : <Box variant="p">{words.means}</Box>}
            <Names title={`${counted(keys.length)} will change`} keys={keys} open={keys.length <= 10} />
            {others.length > 0 && (
              <Names title={others.length === 1 ? "1 key stays as it is, because of its status" : `${others.length} keys stay as they are, because of their status`} keys={others} open={false} />
            )}
            {verb === "schedule" && (
              <>
                <FormField
                  label="Waiting period in days"
                  constraintText={`From ${FEWEST_DAYS} to ${MOST_DAYS}. The keys cannot be used while they wait; the deletion can be cancelled.`}
                  errorText={fits(days) ? null : `Type a whole number from ${FEWEST_DAYS} to ${MOST_DAYS}.`}
                >
                  <Input type="number" value={days} onChange={({ detail }) => setDays(detail.value)} />
                </FormField>
                <Checkbox checked={sure} onChange={({ detail }) => setSure(detail.checked)}>
                  Delete {counted(keys.length)} after the waiting period
                </Checkbox>
              </>
            )}
          </>
        )}
        {state !== "asking" && (
          <>
            <ProgressBar
              label={words.title}
              value={keys.length === 0 ? 100 : (outcomes.length / keys.length) * 100}
              description={`${done} of ${counted(keys.length)} ${words.done}${faults.length === 0 ? "" : `, ${faults.length} not`}`}
            />
            {state === "over" && outcomes.length < keys.length && (
              <Alert type="info">Stopped before {counted(keys.length - outcomes.length)}: nothing was asked for there.</Alert>
            )}
            <Refused faults={faults} />
          </>
        )}
      </SpaceBetween>
    </Modal>
  );
}

function Names({ title, keys, open }: { title: string; keys: readonly ListedKey[]; open: boolean }) {
  return (
    <ExpandableSection headerText={title} defaultExpanded={open}>
      <ul>
        {keys.map((each) => (
          <li key={each.arn}>
            {keyName(each)}
            {each.description !== "" && ` – ${visible(each.description)}`}
          </li>
        ))}
      </ul>
    </ExpandableSection>
  );
}

const SHOWN = 5;

function Refused({ faults }: { faults: readonly { key: ListedKey; fault: Fault }[] }) {
  return (
    <SpaceBetween size="s">
      {faults.slice(0, SHOWN).map(({ key, fault }) => (
        <SpaceBetween key={key.arn} size="xxs">
          <Box variant="strong">{keyName(key)}</Box>
          <Problem fault={fault} />
        </SpaceBetween>
      ))}
      {faults.length > SHOWN && (
        <Names title={`${counted(faults.length - SHOWN)} more not changed`} keys={faults.slice(SHOWN).map(({ key }) => key)} open={false} />
      )}
    </SpaceBetween>
  );
}
