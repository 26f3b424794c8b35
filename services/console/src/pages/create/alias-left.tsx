/** The key is made and its alias was refused: the rest can be done here, and no second key is made. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { kms } from "../../aws";
import type { Act } from "../../shown/act";
import { Problem } from "../../shown/problem";
import { visible } from "../../shown/visible";
import { full } from "../key/alias-name";
import { aliasFault, type Draft, type Made } from "./draft";
import { nameKey } from "./making";

interface AliasLeftProps {
  draft: Draft;
  made: Made;
  change: (changes: Partial<Draft>) => void;
  act: Act;
  /** `alias` is null where the key stays without one. */
  finish: (alias: string | null) => void;
}

export function AliasLeft({ draft, made, change, act, finish }: AliasLeftProps) {
  const fault = aliasFault(draft.alias);
  return (
    <SpaceBetween size="l">
      <Header variant="h1">Create key</Header>
      <Alert type="warning" header="The key is made, but it has no alias yet">
        <Box>
          Key {visible(made.id)} exists, with its policy and tags. {visible(full(draft.alias))} was not created. Nothing here makes a
          second key.
        </Box>
      </Alert>
      {act.fault !== null && <Problem fault={act.fault} />}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (fault === null) act.run(async () => nameKey(await kms(), made.arn, draft.alias), () => finish(draft.alias));
        }}
      >
        <Container
          footer={
            <SpaceBetween direction="horizontal" size="xs">
              <Button onClick={() => finish(null)}>Go on without an alias</Button>
              <Button variant="primary" formAction="submit" loading={act.busy} disabled={fault !== null}>
                Create alias
              </Button>
            </SpaceBetween>
          }
        >
          <FormField label="Alias" description="The same name again, or another one." errorText={fault}>
            <Input value={draft.alias} autoFocus spellcheck={false} onChange={({ detail }) => change({ alias: detail.value })} />
          </FormField>
        </Container>
      </form>
    </SpaceBetween>
  );
}
