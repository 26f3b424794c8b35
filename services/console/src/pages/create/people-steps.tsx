import AttributeEditor from "@cloudscape-design/components/attribute-editor";
import Checkbox from "@cloudscape-design/components/checkbox";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { PeoplePicker } from "../../people/people-picker";
import { visible } from "../../shown/visible";
import type { StepProps } from "./kind-step";

export function AdministratorsStep({ draft, change }: StepProps) {
  return (
    <SpaceBetween size="l">
      <PeoplePicker title="Key administrators" chosen={draft.administrators} onChange={(administrators) => change({ administrators })} />
      <Container header={<Header variant="h2">Key deletion</Header>}>
        <Checkbox checked={draft.mayDelete} onChange={({ detail }) => change({ mayDelete: detail.checked })}>
          Allow key administrators to delete this key
        </Checkbox>
      </Container>
    </SpaceBetween>
  );
}

export function UsersStep({ draft, change, faults }: StepProps) {
  return (
    <SpaceBetween size="l">
      <PeoplePicker title="Key users" chosen={draft.users} onChange={(users) => change({ users })} />
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
        <AttributeEditor
          items={draft.accounts}
          empty="No other account can use this key."
          addButtonText="Add another AWS account"
          removeButtonText="Remove"
          removeButtonAriaLabel={(account) => `Remove account ${visible(account)}`}
          onAddButtonClick={() => change({ accounts: [...draft.accounts, ""] })}
          onRemoveButtonClick={({ detail }) => change({ accounts: draft.accounts.filter((_, index) => index !== detail.itemIndex) })}
          definition={[
            {
              label: "Account number",
              errorText: (_, index) => faults[`account ${index}`],
              control: (account, index) => (
                <Input
                  value={account}
                  inputMode="numeric"
                  placeholder="111122223333"
                  onChange={({ detail }) => change({ accounts: draft.accounts.with(index, detail.value.trim()) })}
                />
              ),
            },
          ]}
        />
      </Container>
    </SpaceBetween>
  );
}
