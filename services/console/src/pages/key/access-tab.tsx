import Button from "@cloudscape-design/components/button";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import FormField from "@cloudscape-design/components/form-field";
import { useState } from "react";

import { asked, follow, href } from "../../router";
import { Listing } from "../../shown/listing";
import { visible } from "../../shown/visible";
import { type ItemOf, v1 } from "../../v1/client";
import type { KeyFacts, TabProps } from "./facts";
import { grantOperations } from "./grant-operations";

const OF_ADMINISTRATORS = ["PutKeyPolicy", "ScheduleKeyDeletion", "DisableKey"];

function actionsOf(facts: KeyFacts | null): string[] {
  const names = [...grantOperations(facts?.spec ?? "", facts?.usage ?? ""), ...OF_ADMINISTRATORS];
  return names.filter((each) => each !== "RetireGrant").map((each) => `kms:${each}`);
}

export function AccessTab({ name, facts, at, trail, round }: TabProps) {
  const options = actionsOf(facts).map((value) => ({ value, label: value }));
  const [chosen, setChosen] = useState<string | null>(null);
  const action = chosen ?? (facts?.usage === "ENCRYPT_DECRYPT" ? "kms:Decrypt" : (options[0]?.value ?? "kms:Decrypt"));
  return (
    <SpaceBetween size="m">
      <FormField label="Operation">
        <Select
          selectedOption={options.find((each) => each.value === action) ?? { value: action, label: action }}
          options={options}
          onChange={({ detail }) => setChosen(detail.selectedOption.value ?? null)}
        />
      </FormField>
      <Listing<ItemOf<"/v1/who-can/{reference}">>
        title={`Who can call ${visible(action)}`}
        question={`who can ${name} ${action} ${at ?? ""}`}
        round={round}
        load={async (_, signal) => {
          const query = { action, ...asked(at, trail) };
          const answer = await v1().get("/v1/who-can/{reference}", { path: { reference: name }, query }, signal);
          return { items: answer.items, next: null };
        }}
        columns={[
          { id: "principal", header: "Principal", isRowHeader: true, minWidth: 200, cell: (each) => visible(each.principal) },
          { id: "kind", header: "Kind", cell: (each) => visible(each.kind ?? "") || "–" },
          {
            id: "sure",
            header: "When",
            minWidth: 210,
            cell: (each) =>
              each.for_sure ? (
                <StatusIndicator type="success">Always</StatusIndicator>
              ) : (
                <StatusIndicator type="info">If conditions are met</StatusIndicator>
              ),
          },
          { id: "paths", header: "Ways", cell: (each) => each.paths.length },
        ]}
        keyOf={(each) => each.principal}
        empty="Nobody can."
        actions={
          <Button href={href("/access", {}, { key: (trail === null ? facts?.id : facts?.arn) ?? name, action })} onFollow={follow}>
            How, and what else
          </Button>
        }
      />
    </SpaceBetween>
  );
}
