/** Gives a user a password, or another one: one that this page makes, or one that is typed. */

import Alert from "@cloudscape-design/components/alert";
import Checkbox from "@cloudscape-design/components/checkbox";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import RadioGroup from "@cloudscape-design/components/radio-group";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { useAnswer } from "../shown/answer";
import { ChangeModal } from "../shown/change-modal";
import { isUnanswered } from "../shown/fault";
import { askedRules } from "./asked-rules";
import { AskedOfPasswords } from "./asked-of-passwords";
import { generated } from "./generated";
import { InClear, isHereInClear } from "./in-clear";
import { givePassword, replacePassword } from "./logins";

type Source = "generated" | "typed" | "kept";

interface SetPasswordProps {
  user: string;
  /** Whether the user has a password; then it may stay. */
  has: boolean;
  resetRequired: boolean;
  /** `made` is a password that this page made, to be shown once; null if its setter knows it. */
  done: (made: string | null) => void;
  close: () => void;
}

export function SetPassword({ user, has, resetRequired, done, close }: SetPasswordProps) {
  const [source, setSource] = useState<Source>("generated");
  const [typed, type] = useState("");
  const [reset, setReset] = useState(has ? resetRequired : true);
  const [answer] = useAnswer("password rules", askedRules);
  const rules = answer.value;
  const inClear = isHereInClear();

  async function set(): Promise<string | null> {
    const made = source === "generated" ? generated(rules?.rules ?? null) : null;
    const password = source === "kept" ? null : (made ?? typed);
    if (password !== null && !has) await givePassword(user, password, reset);
    else await replacePassword(user, password, reset);
    return made;
  }

  return (
    <ChangeModal
      title={has ? "Change the password" : "Give a password"}
      verb={has ? "Change" : "Give"}
      work={set}
      done={done}
      close={close}
      incomplete={inClear || answer.state === "loading" || (source === "typed" && typed === "")}
      note={(fault) =>
        isUnanswered(fault) &&
        source === "generated" && <Alert type="warning">The password may be set, and nobody has seen it. Close this, and change it again.</Alert>
      }
    >
      {inClear && <InClear />}
      <RadioGroup
        ariaLabel="The password"
        value={source}
        onChange={({ detail }) => setSource(detail.value as Source)}
        items={[
          { value: "generated", label: "Generated password", description: "Shown once, after this." },
          { value: "typed", label: "Custom password" },
          ...(has ? [{ value: "kept", label: "Keep the password" }] : []),
        ]}
      />
      {source === "typed" && (
        <SpaceBetween size="xs">
          <FormField label="Password">
            <Input value={typed} type="password" autoComplete="new-password" onChange={({ detail }) => type(detail.value)} />
          </FormField>
          <AskedOfPasswords found={rules} />
        </SpaceBetween>
      )}
      <Checkbox
        checked={reset}
        onChange={({ detail }) => setReset(detail.checked)}
        description="So that nobody else knows it. The user needs no permission for that."
      >
        User must choose a new password at the next sign-in
      </Checkbox>
    </ChangeModal>
  );
}
