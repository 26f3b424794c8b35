/** The tags of something, which are set and removed one at a time. */

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { ChangeModal } from "./change-modal";
import { Listing, type Piece } from "./listing";
import { visible } from "./visible";

export interface Tag {
  name: string;
  value: string;
}

interface TagsProps {
  /** What the tags are good for. */
  description: string;
  question: string;
  round: number;
  load: (cursor: string, signal: AbortSignal) => Promise<Piece<Tag>>;
  empty: string;
  /** How they are changed; null: they can only be read. */
  changes: { put: (tag: Tag) => Promise<unknown>; remove: (name: string) => Promise<unknown>; changed: (words: string) => void } | null;
}

const NEW: Tag = { name: "", value: "" };

export function Tags({ description, question, round, load, empty, changes }: TagsProps) {
  const [doing, setDoing] = useState<{ tag: Tag; remove: boolean } | null>(null);
  const close = () => setDoing(null);
  return (
    <>
      <Listing
        title="Tags"
        description={description}
        question={question}
        round={round}
        load={load}
        columns={[
          { id: "name", header: "Tag key", isRowHeader: true, cell: (tag) => visible(tag.name) },
          { id: "value", header: "Tag value", cell: (tag) => visible(tag.value) || "–" },
          ...(changes === null
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
        empty={empty}
        actions={changes !== null && <Button onClick={() => setDoing({ tag: NEW, remove: false })}>Add tag</Button>}
      />
      {changes !== null && doing?.remove === true && (
        <ChangeModal
          title="Remove a tag"
          verb="Remove"
          close={close}
          work={() => changes.remove(doing.tag.name)}
          done={() => {
            close();
            changes.changed(`The tag ${doing.tag.name} is removed.`);
          }}
        >
          <Box variant="p">
            Remove {visible(doing.tag.name)}? Policies with a condition on this tag may allow or deny otherwise from then on.
          </Box>
        </ChangeModal>
      )}
      {changes !== null && doing?.remove === false && (
        <PutTag
          given={doing.tag}
          put={changes.put}
          close={close}
          done={(tag) => {
            close();
            changes.changed(`The tag ${tag.name} is set.`);
          }}
        />
      )}
    </>
  );
}

function PutTag({ given, put, done, close }: { given: Tag; put: (tag: Tag) => Promise<unknown>; done: (tag: Tag) => void; close: () => void }) {
  const [tag, setTag] = useState(given);
  const fresh = given.name === "";
  return (
    <ChangeModal
      title={fresh ? "Add a tag" : "Edit a tag"}
      verb="Save"
      close={close}
      incomplete={tag.name === ""}
      work={() => put(tag)}
      done={() => done(tag)}
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
