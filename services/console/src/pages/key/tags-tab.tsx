import { ListResourceTagsCommand, TagResourceCommand, UntagResourceCommand } from "@aws-sdk/client-kms";

import { kms } from "../../aws";
import type { Piece } from "../../shown/listing";
import { type Tag, Tags } from "../../shown/tags";
import type { TabProps } from "./facts";

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
  const fixed = at !== null || facts?.managed === true;
  return (
    <Tags
      description="Names and values that you choose: for costs, for search, and for policies with aws:ResourceTag."
      question={`tags ${name} ${at ?? ""} ${facts?.past?.position ?? ""}`}
      round={round}
      load={(cursor, signal) => tagsOf(props, cursor, signal)}
      empty="This key has no tags."
      changes={
        fixed
          ? null
          : {
              put: async (tag) => (await kms()).send(new TagResourceCommand({ KeyId: name, Tags: [{ TagKey: tag.name, TagValue: tag.value }] })),
              remove: async (tag) => (await kms()).send(new UntagResourceCommand({ KeyId: name, TagKeys: [tag] })),
              changed,
            }
      }
    />
  );
}
