/** Who can do what: for a key and an operation, or for a principal; now, at the time that the pages show, or between two times. The
 * question is the URL. */

import Autosuggest from "@cloudscape-design/components/autosuggest";
import Box from "@cloudscape-design/components/box";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import ContentLayout from "@cloudscape-design/components/content-layout";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import SegmentedControl from "@cloudscape-design/components/segmented-control";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { OfKey, OfKeyBetween } from "../access/of-key";
import { OfPrincipal, OfPrincipalBetween } from "../access/of-principal";
import { SpanChoice, spanOf } from "../access/span";
import { keyOptions, principalOptions } from "../access/suggestions";
import { changeQuery, type PageProps, useAsOf, useTrail } from "../router";
import { useAnswer } from "../shown/answer";
import { useAskedAt } from "../shown/asked-at";
import { listStatus } from "../shown/list-status";
import { v1 } from "../v1/client";

const USUAL = "kms:Decrypt";

export default function Access({ query }: PageProps) {
  const [byPrincipal, setByPrincipal] = useState(query.get("principal") !== null);
  const key = query.get("key") ?? "";
  const principal = query.get("principal") ?? "";
  const action = query.get("action") ?? USUAL;
  const [now] = useAskedAt(query.toString());
  const span = spanOf(query, now);
  const about = principal !== "" || (byPrincipal && key === "");
  const [at] = useAsOf();
  const trail = useTrail();
  const once = at !== null ? "At the time shown above" : trail !== null ? "At the end of the trail" : "Now";
  return (
    <ContentLayout header={<Header variant="h1">Who can</Header>}>
      <SpaceBetween size="l">
        <Container>
          <SpaceBetween size="m">
            <SegmentedControl
              label="The question"
              selectedId={about ? "principal" : "key"}
              options={[
                { id: "key", text: "Who can use a key" },
                { id: "principal", text: "What a principal can do" },
              ]}
              onChange={({ detail }) => {
                setByPrincipal(detail.selectedId === "principal");
                changeQuery({ key: undefined, principal: undefined });
              }}
            />
            <ColumnLayout columns={about ? 2 : 3}>
              {about ? <PrincipalChoice key={principal} principal={principal} /> : <KeyChoice key={key} chosen={key} />}
              {!about && <ActionChoice action={action} />}
              <SpanChoice once={once} />
            </ColumnLayout>
          </SpaceBetween>
        </Container>
        {about ? (
          principal === "" ? (
            <Box color="text-body-secondary">Choose a user or role.</Box>
          ) : span === null ? (
            <OfPrincipal key={principal} principal={principal} />
          ) : (
            <OfPrincipalBetween principal={principal} span={span} />
          )
        ) : key === "" ? (
          <Box color="text-body-secondary">Choose a key.</Box>
        ) : span === null ? (
          <OfKey keyName={key} action={action} />
        ) : (
          <OfKeyBetween keyName={key} action={action} span={span} />
        )}
      </SpaceBetween>
    </ContentLayout>
  );
}

function KeyChoice({ chosen }: { chosen: string }) {
  const [text, setText] = useState(chosen);
  const [at] = useAsOf();
  const trail = useTrail();
  const [known] = useAnswer(`keys to choose from ${at ?? ""} ${trail ?? ""}`, (signal) => keyOptions(at, trail, signal));
  const ask = (value: string): void => changeQuery({ key: value.trim(), principal: undefined });
  return (
    <FormField label="Key" constraintText="An id, an ARN or alias/NAME">
      <Autosuggest
        value={text}
        options={known.value ?? []}
        {...listStatus(known)}
        enteredTextLabel={(value) => `Use "${value}"`}
        ariaLabel="Key"
        empty="No keys"
        onChange={({ detail }) => setText(detail.value)}
        onSelect={({ detail }) => ask(detail.value)}
      />
    </FormField>
  );
}

function PrincipalChoice({ principal }: { principal: string }) {
  const [text, setText] = useState(principal);
  const [at] = useAsOf();
  const trail = useTrail();
  const [known] = useAnswer(`principals to choose from ${at ?? ""} ${trail ?? ""}`, (signal) => principalOptions(at, trail, signal));
  const ask = (value: string): void => changeQuery({ principal: value.trim(), key: undefined });
  return (
    <FormField label="Principal" constraintText="The ARN of a user, role, session or root">
      <Autosuggest
        value={text}
        options={known.value ?? []}
        {...listStatus(known)}
        enteredTextLabel={(value) => `Use "${value}"`}
        ariaLabel="Principal"
        empty="No principals"
        onChange={({ detail }) => setText(detail.value)}
        onSelect={({ detail }) => ask(detail.value)}
      />
    </FormField>
  );
}

function ActionChoice({ action }: { action: string }) {
  const [words] = useAnswer("policy words", (signal) => v1().get("/v1/policy-words", {}, signal));
  const options = (words.value?.actions ?? [action]).filter((each) => each !== "kms:*").map((value) => ({ value, label: value }));
  return (
    <FormField label="Operation">
      <Select
        options={options}
        filteringType="auto"
        selectedOption={{ value: action, label: action }}
        onChange={({ detail }) => changeQuery({ action: detail.selectedOption.value })}
      />
    </FormField>
  );
}
