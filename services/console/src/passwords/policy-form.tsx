/** The form of the account's password policy, with the settings that the AWS console has. */

import Box from "@cloudscape-design/components/box";
import Checkbox from "@cloudscape-design/components/checkbox";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import RadioGroup from "@cloudscape-design/components/radio-group";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { iam } from "../aws";
import { ChangeModal } from "../shown/change-modal";
import { Overtaken, unlessOvertaken } from "../shown/overtaken";
import { askedRules, put } from "./asked-rules";
import { RuleWords } from "./rule-words";
import { DAYS, EVERY_KIND, formOf, isWhole, kindLabel, LENGTH, numberFault, passwordWords, REMEMBERED, type Rules } from "./rules";

/** `rules` are those of this moment: the page behind may be hours old. */
export function EditPolicy({ rules, done, close }: { rules: Rules; done: () => void; close: () => void }) {
  const [form, setForm] = useState(() => formOf(rules));
  const [base, setBase] = useState(rules);
  const [overtaken, setOvertaken] = useState<{ rules: Rules } | null>(null);
  const change = (to: Partial<typeof form>) => setForm((before) => ({ ...before, ...to }));
  const unchanged = !form.own && base === null;
  const goOn = (from: Rules): void => {
    setBase(from);
    setOvertaken(null);
  };
  return (
    <ChangeModal
      title="Edit the password policy"
      verb="Save changes"
      work={async () => {
        const client = await iam(); // taken before the wait: a click that was meant for a role is not made by its user
        return unlessOvertaken({ rules: base }, () => askedRules(new AbortController().signal), () => put(client, form));
      }}
      done={(instead) => (instead === null ? done() : setOvertaken(instead.now))}
      close={close}
      incomplete={unchanged || !isWhole(form) || overtaken !== null}
    >
      {overtaken !== null && (
        <Overtaken
          what="the password policy"
          keep={() => goOn(overtaken.rules)}
          take={() => {
            setForm(formOf(overtaken.rules));
            goOn(overtaken.rules);
          }}
        >
          <RuleWords rules={overtaken.rules} />
        </Overtaken>
      )}
      <RadioGroup
        ariaLabel="Which rules apply"
        value={form.own ? "own" : "default"}
        onChange={({ detail }) => change({ own: detail.value === "own" })}
        items={[
          { value: "default", label: "IAM default", description: `${passwordWords(null).join(". ")}.` },
          { value: "own", label: "Custom" },
        ]}
      />
      {form.own && (
        <SpaceBetween size="m">
          <FormField label="Password minimum length" errorText={numberFault(form.length, LENGTH)} description="From 6 to 128 characters.">
            <Input value={form.length} inputMode="numeric" onChange={({ detail }) => change({ length: detail.value.trim() })} />
          </FormField>
          <SpaceBetween size="xs">
            <Box variant="awsui-key-label">Password strength</Box>
            {EVERY_KIND.map((kind) => (
              <Checkbox
                key={kind}
                checked={form.kinds.includes(kind)}
                onChange={({ detail }) => change({ kinds: EVERY_KIND.filter((each) => (each === kind ? detail.checked : form.kinds.includes(each))) })}
              >
                {kindLabel(kind)}
              </Checkbox>
            ))}
          </SpaceBetween>
          <SpaceBetween size="xs">
            <Box variant="awsui-key-label">Other requirements</Box>
            <Checkbox checked={form.expires} onChange={({ detail }) => change({ expires: detail.checked })}>
              Turn on password expiration
            </Checkbox>
            {form.expires && (
              <SpaceBetween size="s">
                <FormField label="Days until a password expires" errorText={numberFault(form.days, DAYS)}>
                  <Input value={form.days} inputMode="numeric" onChange={({ detail }) => change({ days: detail.value.trim() })} />
                </FormField>
                <Checkbox
                  checked={form.hardExpiry}
                  onChange={({ detail }) => change({ hardExpiry: detail.checked })}
                  description="Otherwise its user types a new one at sign-in."
                >
                  Password expiration requires administrator reset
                </Checkbox>
              </SpaceBetween>
            )}
            <Checkbox checked={form.usersChange} onChange={({ detail }) => change({ usersChange: detail.checked })}>
              Allow users to change their own password
            </Checkbox>
            <Checkbox checked={form.remembers} onChange={({ detail }) => change({ remembers: detail.checked })}>
              Prevent password reuse
            </Checkbox>
            {form.remembers && (
              <FormField label="Passwords remembered" errorText={numberFault(form.remembered, REMEMBERED)}>
                <Input value={form.remembered} inputMode="numeric" onChange={({ detail }) => change({ remembered: detail.value.trim() })} />
              </FormField>
            )}
          </SpaceBetween>
        </SpaceBetween>
      )}
      <Box color="text-body-secondary" fontSize="body-s">
        Passwords that exist stay good: the new rules hold for the next one that is set. An expiration holds at once.
      </Box>
    </ChangeModal>
  );
}
