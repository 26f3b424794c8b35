import { ListResourceTagsCommand, TagResourceCommand, UntagResourceCommand } from "@aws-sdk/client-kms";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { kms } from "../../aws";
import { ChangeModal } from "../../shown/change-modal";
import { Listing, type Piece } from "../../shown/listing";
import { visible } from "../../shown/visible";
import type { TabProps } from "./facts";

interface Tag {
  name: string;
  value: string;
}

async function tagsOf({ name, facts }: TabProps, cursor: string, signal: AbortSignal): Promise<Piece<Tag>> {
  const past = facts?.past;
  if (past !== null && past !== undefined) {
    return { items: Object.entries(past.tags).map(([each, value]) => ({ name: each, value })), next: null };
  }
  const request = new ListResourceTagsCommand({ KeyId: name, Limit: 50, ...(cursor === "" ? {} : { Marker: cursor }) });
  const answer = await (await kms()).send(request, { abortSignal: signal });
  const items = (answer.Tags ?? []).map((each) => ({ name: each.TagKey ?? "", value: each.TagValue ?? "" }));
  return { items, next: answer.NextMarker ?? null };
}

export function TagsTab(props: TabProps) {
  const { name, facts, at, round, changed } = props;
  const [doing, setDoing] = useState<{ tag: Tag; remove: boolean } | null>(null);
  const fixed = at !== null || facts?.managed === true;
  const close = () => setDoing(null);
  return (
    <>
      <Listing
        title="Tags"
        description="Names and values that you choose: for costs, for search, and for policies with aws:ResourceTag."
        question={`tags ${name} ${at ?? ""} ${facts?.past?.position ?? ""} ${round}`}
        load={(cursor, signal) => tagsOf(props, cursor, signal)}
        columns={[
          { id: "name", header: "Tag key", isRowHeader: true, cell: (tag) => visible(tag.name) },
          { id: "value", header: "Tag value", cell: (tag) => visible(tag.value) || "–" },
          ...(fixed
            ? []
            : [
                {
                  id: "do",
                  header: "Actions",
                  minWidth: 140,
                  cell: (tag: Tag) => (
                    <SpaceBetween direction="horizontal" size="s">
                      <Button variant="inline-link" ariaLabel={`Edit tag ${visible(tag.name)}`} onClick={() => setDoing({ tag, remove: false })}>
                        Edit
                      </Button>
                      <Button variant="inline-link" ariaLabel={`Remove tag ${visible(tag.name)}`} onClick={() => setDoing({ tag, remove: true })}>
                        Remove
                      </Button>
                    </SpaceBetween>
                  ),
                },
              ]),
        ]}
        keyOf={(tag) => tag.name}
        empty="This key has no tags."
        actions={!fixed && <Button onClick={() => setDoing({ tag: { name: "", value: "" }, remove: false })}>Add tag</Button>}
      />
      {doing?.remove === true && (
        <ChangeModal
          title="Remove a tag"
          verb="Remove"
          close={close}
          work={async () => (await kms()).send(new UntagResourceCommand({ KeyId: name, TagKeys: [doing.tag.name] }))}
          done={() => {
            close();
            changed(`The tag ${doing.tag.name} is removed.`);
          }}
        >
          <Box variant="p">
            Remove {visible(doing.tag.name)}? Policies with a condition on this tag may allow or deny otherwise from then on.
          </Box>
        </ChangeModal>
      )}
      {doing?.remove === false && <PutTag given={doing.tag} name={name} close={close} changed={changed} />}
    </>
  );
}

function PutTag({ given, name, close, changed }: { given: Tag; close: () => void } & Pick<TabProps, "name" | "changed">) {
  const [tag, setTag] = useState(given);
  const fresh = given.name === "";
  return (
    <ChangeModal
      title={fresh ? "Add a tag" : "Edit a tag"}
      verb="Save"
      close={close}
      incomplete={tag.name === ""}
      work={async () => (await kms()).send(new TagResourceCommand({ KeyId: name, Tags: [{ TagKey: tag.name, TagValue: tag.value }] }))}
      done={() => {
        close();
        changed(`The tag ${tag.name} is set.`);
      }}
    >
      <FormField label="Tag key" constraintText="At most 128 characters. A tag of this name that exists already gets the new value.">
        <Input value={tag.name} disabled={!fresh} autoFocus={fresh} onChange={({ detail }) => setTag({ ...tag, name: detail.value })} />
      </FormField>
      <FormField label="Tag value" constraintText="At most 256 characters; it may be empty.">
        <Input value={tag.value} autoFocus={!fresh} onChange={({ detail }) => setTag({ ...tag, value: detail.value })} />
      </FormField>
    </ChangeModal>
  );
}
