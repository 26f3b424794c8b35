/** The default view: who administers and uses the key, while the policy has the form that the console makes. Each change goes into the
 * draft, which the review shows before it is put. The server changes the text, so everything else in it stays to the byte. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Checkbox from "@cloudscape-design/components/checkbox";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import TokenGroup from "@cloudscape-design/components/token-group";
import { useState } from "react";

import { PeoplePicker } from "../people/people-picker";
import { useAct } from "../shown/act";
import { useAnswer } from "../shown/answer";
import { Problem } from "../shown/problem";
import { visible } from "../shown/visible";
import { type AnswerOf, v1 } from "../v1/client";
import { Waiting } from "./alerts-raised";

/** What decides the actions of a statement that a policy does not have yet. */
export interface KindOfKey {
  spec: string;
  usage: string;
  origin: string;
}

type Form = AnswerOf<"/v1/key-policies/read", "post">;
type Wanted = Partial<Pick<Form, "administrators" | "users" | "accounts" | "may_delete">>;

interface FormViewProps {
  text: string;
  kind: KindOfKey | null;
  onText: (text: string) => void;
  onTextView: () => void;
}

export function FormView({ text, kind, onText, onTextView }: FormViewProps) {
  const [answer, again] = useAnswer(`form ${text}`, (signal) => v1().post("/v1/key-policies/read", { body: { policy: text } }, signal));
  const act = useAct();
  const [form, setForm] = useState<Form | null>(null);
  if (answer.state === "there" && form !== answer.value) setForm(answer.value);
  // Of a text that is not read yet, its form before the change stays, so that nothing jumps. A change begins from what it shows, and
  // would take the one before back.
  const ready = answer.state === "there" && !act.busy;
  if (answer.state === "fault") return <Problem fault={answer.fault} again={again} />;
  if (form === null) return <Waiting text="Reading the policy" />;
  if (!form.shown) {
    return (
      <Alert
        type="info"
        header="This policy has another form than the one that the console makes"
        action={<Button onClick={onTextView}>Policy view</Button>}
      >
        {visible(form.why ?? "")}
      </Alert>
    );
  }
  const change = (wanted: Wanted): void => {
    if (!ready) return;
    const of = kind === null ? {} : { spec: kind.spec, usage: kind.usage, origin: kind.origin };
    const body = { policy: text, ...of, ...wanted };
    act.run(() => v1().post("/v1/key-policies/change", { body: body as never }), ({ policy }) => onText(policy));
  };
  return (
    <SpaceBetween size="l">
      {act.fault !== null && <Problem fault={act.fault} />}
      <PeoplePicker
        title="Key administrators"
        chosen={form.administrators}
        ready={ready}
        onChange={(administrators) => change({ administrators: [...administrators] })}
      />
      <Container header={<Header variant="h2">Key deletion</Header>}>
        <Checkbox
          checked={form.may_delete}
          disabled={form.administrators.length === 0}
          onChange={({ detail }) => change({ may_delete: detail.checked })}
        >
          Allow key administrators to delete this key
        </Checkbox>
      </Container>
      <PeoplePicker title="Key users" chosen={form.users} ready={ready} onChange={(users) => change({ users: [...users] })} />
      <Accounts accounts={form.accounts} ready={ready} onChange={(accounts) => change({ accounts })} />
      {form.beside.length > 0 && (
        <Alert type="info">
          The policy has {form.beside.length === 1 ? "a statement" : `${form.beside.length} statements`} besides:{" "}
          {visible(form.beside.map(named).join(", "))}. The policy view shows them; changes here leave them as they are.
        </Alert>
      )}
    </SpaceBetween>
  );
}

function named(beside: Record<string, unknown>): string {
  const { sid, statement } = beside;
  return typeof sid === "string" && sid !== "" ? `"${sid}"` : `statement ${typeof statement === "number" ? statement : ""}`;
}

interface AccountsProps {
  accounts: string[];
  ready: boolean;
  onChange: (accounts: string[]) => void;
}

function Accounts({ accounts, ready, onChange }: AccountsProps) {
  const [typed, setTyped] = useState("");
  const [fault, setFault] = useState("");
  const add = (): void => {
    if (!ready) return;
    if (!/^\d{12}$/.test(typed)) setFault("An account number has twelve digits.");
    else {
      setFault("");
      setTyped("");
      if (!accounts.includes(typed)) onChange([...accounts, typed]);
    }
  };
  return (
    <Container
      header={
        <Header
          variant="h2"
          description="Their administrators still have to allow their own users and roles to use this key, by identity policies."
        >
          Other AWS accounts
        </Header>
      }
    >
      <SpaceBetween size="s">
        {accounts.length === 0 ? (
          <Box color="text-body-secondary">No other account can use this key.</Box>
        ) : (
          <TokenGroup
            items={accounts.map((account) => ({ label: visible(account), dismissLabel: `Remove account ${visible(account)}` }))}
            onDismiss={({ detail }) => onChange(accounts.filter((_, index) => index !== detail.itemIndex))}
          />
        )}
        <FormField label="Account number" errorText={visible(fault)} secondaryControl={<Button disabled={!ready} onClick={add}>Add the account</Button>}>
          <Input
            value={typed}
            inputMode="numeric"
            placeholder="444455556666"
            onChange={({ detail }) => setTyped(detail.value.trim())}
            onKeyDown={({ detail }) => detail.key === "Enter" && add()}
          />
        </FormField>
      </SpaceBetween>
    </Container>
  );
}
