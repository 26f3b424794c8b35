import { CreateAliasCommand, DeleteAliasCommand, ListAliasesCommand, UpdateAliasCommand } from "@aws-sdk/client-kms";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { kms } from "../../aws";
import { ChangeModal } from "../../shown/change-modal";
import { Listing, type Piece } from "../../shown/listing";
import { Time } from "../../shown/time";
import { visible } from "../../shown/visible";
import { full } from "./alias-name";
import type { TabProps } from "./facts";

interface Alias {
  name: string;
  arn: string;
  createdAt: Date | undefined;
}

type Doing = { what: "create" } | { what: "move" | "delete"; alias: Alias };

async function aliasesOf({ name, facts }: TabProps, cursor: string, signal: AbortSignal): Promise<Piece<Alias>> {
  const past = facts?.past;
  if (past !== null && past !== undefined) {
    return { items: past.aliases.map((each) => ({ name: each, arn: "", createdAt: undefined })), next: null };
  }
  const request = new ListAliasesCommand({ KeyId: name, Limit: 50, ...(cursor === "" ? {} : { Marker: cursor }) });
  const answer = await (await kms()).send(request, { abortSignal: signal });
  const items = (answer.Aliases ?? []).map((each) => ({
    name: each.AliasName ?? "",
    arn: each.AliasArn ?? "",
    createdAt: each.LastUpdatedDate ?? each.CreationDate,
  }));
  return { items, next: answer.NextMarker ?? null };
}

export function AliasesTab(props: TabProps) {
  const { name, facts, at, round, changed } = props;
  const [doing, setDoing] = useState<Doing | null>(null);
  const close = () => setDoing(null);
  const done = (notice: string) => {
    close();
    changed(notice);
  };
  return (
    <>
      <Listing
        title="Aliases"
        description="Names for this key. A program that uses an alias need not change when the alias is moved to another key."
        question={`aliases of ${name} ${at ?? ""} ${facts?.past?.position ?? ""}`}
        round={round}
        load={(cursor, signal) => aliasesOf(props, cursor, signal)}
        columns={[
          { id: "name", header: "Alias name", isRowHeader: true, cell: (alias) => visible(alias.name.replace(/^alias\//, "")) },
          ...(at !== null
            ? []
            : [
                { id: "arn", header: "Alias ARN", cell: (alias: Alias) => visible(alias.arn) },
                { id: "set", header: "Set", cell: (alias: Alias) => <Time at={alias.createdAt} /> },
                {
                  id: "do",
                  header: "Actions",
                  cell: (alias: Alias) => (
                    <SpaceBetween direction="horizontal" size="s">
                      <Button variant="inline-link" ariaLabel={`Move ${visible(alias.name)}`} onClick={() => setDoing({ what: "move", alias })}>
                        Move
                      </Button>
                      <Button variant="inline-link" ariaLabel={`Delete ${visible(alias.name)}`} onClick={() => setDoing({ what: "delete", alias })}>
                        Delete
                      </Button>
                    </SpaceBetween>
                  ),
                },
              ]),
        ]}
        keyOf={(alias) => alias.name}
        empty="This key has no alias."
        actions={at === null && <Button onClick={() => setDoing({ what: "create" })}>Create alias</Button>}
      />
      {doing?.what === "create" && <CreateAlias name={name} close={close} done={done} />}
      {doing?.what === "move" && <MoveAlias alias={doing.alias} close={close} done={done} />}
      {doing?.what === "delete" && (
        <ChangeModal
          title="Delete an alias"
          verb="Delete"
          close={close}
          work={async () => (await kms()).send(new DeleteAliasCommand({ AliasName: doing.alias.name }))}
          done={() => done(`${doing.alias.name} is deleted.`)}
        >
          <Box variant="p">
            Delete {visible(doing.alias.name)}? The key stays. Programs that call it by this alias fail from then on.
          </Box>
        </ChangeModal>
      )}
    </>
  );
}

interface DialogProps {
  close: () => void;
  done: (notice: string) => void;
}

function CreateAlias({ name, close, done }: DialogProps & { name: string }) {
  const [alias, setAlias] = useState("");
  return (
    <ChangeModal
      title="Create an alias"
      verb="Create"
      close={close}
      incomplete={alias.trim() === ""}
      work={async () => (await kms()).send(new CreateAliasCommand({ AliasName: full(alias), TargetKeyId: name }))}
      done={() => done(`${full(alias)} is created.`)}
    >
      <FormField label="Alias name" constraintText="Letters, digits and / _ - ; it must not begin with aws/.">
        <Input value={alias} autoFocus spellcheck={false} onChange={({ detail }) => setAlias(detail.value)} />
      </FormField>
    </ChangeModal>
  );
}

function MoveAlias({ alias, close, done }: DialogProps & { alias: Alias }) {
  const [target, setTarget] = useState("");
  return (
    <ChangeModal
      title="Move an alias to another key"
      verb="Move"
      close={close}
      incomplete={target.trim() === ""}
      work={async () => (await kms()).send(new UpdateAliasCommand({ AliasName: alias.name, TargetKeyId: target.trim() }))}
      done={() => done(`${alias.name} now names ${target.trim()}.`)}
    >
      <Box variant="p">
        From then on, programs that call {visible(alias.name)} use the other key. It must be of the same type and usage. What this key
        encrypted is still decrypted with this key.
      </Box>
      <FormField label="Key ID or ARN of the other key">
        <Input value={target} autoFocus spellcheck={false} onChange={({ detail }) => setTarget(detail.value)} />
      </FormField>
    </ChangeModal>
  );
}
