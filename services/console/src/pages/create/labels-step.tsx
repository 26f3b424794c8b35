import AttributeEditor from "@cloudscape-design/components/attribute-editor";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Textarea from "@cloudscape-design/components/textarea";

import { visible } from "../../shown/visible";
import type { StepProps } from "./kind-step";

const MOST_TAGS = 50;

export function LabelsStep({ draft, change, faults }: StepProps) {
  return (
    <SpaceBetween size="l">
      <Container header={<Header variant="h2">Alias and description</Header>}>
        <SpaceBetween size="l">
          <FormField
            label="Alias"
            description="A name for the key. It can be moved to another key later."
            constraintText="Letters, digits, and / _ - only."
            errorText={visible(faults["alias"] ?? "")}
          >
            <Input value={draft.alias} spellcheck={false} onChange={({ detail }) => change({ alias: detail.value })} />
          </FormField>
          <FormField label="Description (optional)" description="It can be changed later.">
            <Textarea value={draft.description} rows={3} onChange={({ detail }) => change({ description: detail.value })} />
          </FormField>
        </SpaceBetween>
      </Container>
      <Container header={<Header variant="h2">Tags (optional)</Header>}>
        <AttributeEditor
          items={draft.tags}
          empty="The key gets no tags."
          addButtonText="Add tag"
          removeButtonText="Remove"
          removeButtonAriaLabel={(tag) => `Remove tag ${visible(tag.name)}`}
          disableAddButton={draft.tags.length >= MOST_TAGS}
          additionalInfo={`At most ${MOST_TAGS} tags.`}
          onAddButtonClick={() => change({ tags: [...draft.tags, { name: "", value: "" }] })}
          onRemoveButtonClick={({ detail }) => change({ tags: draft.tags.filter((_, index) => index !== detail.itemIndex) })}
          definition={[
            {
              label: "Tag key",
              errorText: (_, index) => faults[`tag ${index}`],
              control: (tag, index) => (
                <Input value={tag.name} onChange={({ detail }) => change({ tags: draft.tags.with(index, { ...tag, name: detail.value }) })} />
              ),
            },
            {
              label: "Tag value",
              control: (tag, index) => (
                <Input value={tag.value} onChange={({ detail }) => change({ tags: draft.tags.with(index, { ...tag, value: detail.value }) })} />
              ),
            },
          ]}
        />
      </Container>
    </SpaceBetween>
  );
}
