import { CreateGrantCommand, type GrantOperation } from "@aws-sdk/client-kms";
import AttributeEditor from "@cloudscape-design/components/attribute-editor";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import Multiselect from "@cloudscape-design/components/multiselect";
import Select from "@cloudscape-design/components/select";
import { useState } from "react";

import { kms } from "../../aws";
import { ChangeModal } from "../../shown/change-modal";
import type { KeyFacts } from "./facts";
import { grantOperations } from "./grant-operations";

const ANY = { value: "any", label: "Any request" };
const CONTEXTS = [
  ANY,
  { value: "EncryptionContextSubset", label: "Requests whose encryption context has these pairs" },
  { value: "EncryptionContextEquals", label: "Requests whose encryption context is exactly these pairs" },
] as const;

interface Pair {
  name: string;
  value: string;
}

export function CreateGrant({
  name,
  facts,
  close,
  done,
}: {
  name: string;
  facts: KeyFacts | null;
  close: () => void;
  /** With the grant token. */
  done: (token: string) => void;
}) {
  const [grantee, setGrantee] = useState("");
  const [retiring, setRetiring] = useState("");
  const [called, setCalled] = useState("");
  const [operations, setOperations] = useState<readonly GrantOperation[]>([]);
  const [context, setContext] = useState<string>(ANY.value);
  const [pairs, setPairs] = useState<readonly Pair[]>([{ name: "", value: "" }]);
  const options = grantOperations(facts?.spec ?? "", facts?.usage ?? "").map((each) => ({ value: each, label: each }));

  async function create(): Promise<string> {
    const answer = await (
      await kms()
    ).send(
      new CreateGrantCommand({
        KeyId: name,
        GranteePrincipal: grantee.trim(),
        Operations: [...operations],
        ...(retiring.trim() === "" ? {} : { RetiringPrincipal: retiring.trim() }),
        ...(called.trim() === "" ? {} : { Name: called.trim() }),
        ...(context === ANY.value ? {} : { Constraints: { [context]: Object.fromEntries(pairs.map((each) => [each.name, each.value])) } }),
      }),
    );
    return answer.GrantToken ?? "";
  }

  const constrained = context !== ANY.value;
  const pairsMissing = constrained && (pairs.length === 0 || pairs.some((each) => each.name === ""));
  // Of two pairs with one name the request would have the last alone, and nobody would see that the grant allows another context.
  const twice = (index: number): boolean => pairs.some((each, other) => other < index && each.name !== "" && each.name === pairs[index]?.name);
  const pairsTwice = constrained && pairs.some((_, index) => twice(index));
  return (
    <ChangeModal
      title="Create a grant"
      verb="Create grant"
      close={close}
      incomplete={grantee.trim() === "" || operations.length === 0 || pairsMissing || pairsTwice}
      work={create}
      done={done}
    >
      <FormField label="Grantee principal" description="The ARN of the user, role, session or account that may use the key.">
        <Input value={grantee} autoFocus spellcheck={false} onChange={({ detail }) => setGrantee(detail.value)} />
      </FormField>
      <FormField label="Operations">
        <Multiselect
          selectedOptions={options.filter((each) => operations.includes(each.value))}
          options={options}
          placeholder="Choose operations"
          onChange={({ detail }) => setOperations(detail.selectedOptions.map((each) => each.value as GrantOperation))}
        />
      </FormField>
      <FormField label="Retiring principal (optional)" description="The ARN of the principal that may give the grant back.">
        <Input value={retiring} spellcheck={false} onChange={({ detail }) => setRetiring(detail.value)} />
      </FormField>
      <FormField label="Name (optional)" description="A second request with this name and the same content makes no second grant.">
        <Input value={called} spellcheck={false} onChange={({ detail }) => setCalled(detail.value)} />
      </FormField>
      {facts?.spec === "SYMMETRIC_DEFAULT" && (
        <FormField label="It allows">
          <Select
            selectedOption={CONTEXTS.find((each) => each.value === context) ?? ANY}
            options={CONTEXTS}
            onChange={({ detail }) => setContext(detail.selectedOption.value ?? ANY.value)}
          />
        </FormField>
      )}
      {constrained && (
        <AttributeEditor
          items={pairs}
          addButtonText="Add pair"
          removeButtonText="Remove"
          onAddButtonClick={() => setPairs([...pairs, { name: "", value: "" }])}
          onRemoveButtonClick={({ detail }) => setPairs(pairs.filter((_, index) => index !== detail.itemIndex))}
          definition={[
            { label: "Name", errorText: (_, index) => twice(index) && "This name is there twice.", control: (pair, index) => <Input value={pair.name} onChange={({ detail }) => setPairs(pairs.with(index, { ...pair, name: detail.value }))} /> },
            { label: "Value", control: (pair, index) => <Input value={pair.value} onChange={({ detail }) => setPairs(pairs.with(index, { ...pair, value: detail.value }))} /> },
          ]}
        />
      )}
    </ChangeModal>
  );
}
