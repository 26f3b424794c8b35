import Container from "@cloudscape-design/components/container";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import RadioGroup from "@cloudscape-design/components/radio-group";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Tiles from "@cloudscape-design/components/tiles";

import { USAGES } from "../key/words";
import { type Draft, withKind } from "./draft";
import { specsOf, usagesOf } from "./kinds";

export interface StepProps {
  draft: Draft;
  change: (changes: Partial<Draft>) => void;
  /** By field; empty until the user has tried to go on. */
  faults: Readonly<Record<string, string>>;
}

const OF_USAGES: Readonly<Record<string, string>> = {
  ENCRYPT_DECRYPT: "Encrypt and decrypt data, and make data keys where the key is symmetric.",
  GENERATE_VERIFY_MAC: "Make and check message authentication codes (HMAC).",
  SIGN_VERIFY: "Sign with the private key; anybody can verify with the public key.",
  KEY_AGREEMENT: "Derive a secret that is shared with the owner of another key pair.",
  ENCAPSULATE_DECAPSULATE: "Agree on a secret by a key encapsulation that withstands quantum computers (ML-KEM).",
};

export function KindStep({ draft, change }: StepProps) {
  const specs = specsOf(draft.type, draft.usage).map((value) => ({ value, label: value }));
  return (
    <SpaceBetween size="l">
      <Container header={<Header variant="h2">Key type and usage</Header>}>
        <SpaceBetween size="l">
          <FormField label="Key type" description="It cannot be changed after the key is made." stretch>
            <Tiles
              value={draft.type}
              items={[
                { value: "symmetric", label: "Symmetric", description: "One secret key, which never leaves Keytrail in the clear." },
                { value: "asymmetric", label: "Asymmetric", description: "A key pair, whose public half can be used outside of Keytrail." },
              ]}
              onChange={({ detail }) => change(withKind(draft, detail.value as Draft["type"], draft.usage))}
            />
          </FormField>
          <FormField label="Key usage">
            <RadioGroup
              value={draft.usage}
              items={usagesOf(draft.type).map((value) => ({ value, label: USAGES[value] ?? value, description: OF_USAGES[value] }))}
              onChange={({ detail }) => change(withKind(draft, draft.type, detail.value))}
            />
          </FormField>
          <FormField label="Key spec">
            <Select
              selectedOption={specs.find((each) => each.value === draft.spec) ?? null}
              options={specs}
              disabled={specs.length === 1}
              onChange={({ detail }) => change({ spec: detail.selectedOption.value ?? draft.spec })}
            />
          </FormField>
        </SpaceBetween>
      </Container>
      <ExpandableSection variant="container" headerText="Advanced options" defaultExpanded={draft.origin !== "AWS_KMS"}>
        <FormField label="Key material origin" description="It cannot be changed after the key is made.">
          <RadioGroup
            value={draft.origin}
            items={[
              { value: "AWS_KMS", label: "Keytrail", description: "Keytrail makes the key material (Origin AWS_KMS)." },
              {
                value: "EXTERNAL",
                label: "Imported",
                description: "You bring your own key material (Origin EXTERNAL). The key can be used when it is uploaded.",
              },
            ]}
            onChange={({ detail }) => change({ origin: detail.value as Draft["origin"] })}
          />
        </FormField>
      </ExpandableSection>
    </SpaceBetween>
  );
}
