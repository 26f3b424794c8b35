/** The groups of a user. */

import { ListGroupsForUserCommand } from "@aws-sdk/client-iam";
import { useState } from "react";

import { iam } from "../aws";
import { useAnswer } from "../shown/answer";
import { ChangeModal } from "../shown/change-modal";
import { Choice } from "../shown/choice";
import { join, leave } from "./changes";
import { list, MOST_CHOICES, paged, piece } from "./kinds";
import { Membership } from "./membership";

export function GroupsOf({ user }: { user: string }) {
  return (
    <Membership
      title="Groups of the user"
      question={`groups of ${user}`}
      load={async (cursor, abortSignal) => {
        const found = await (await iam()).send(new ListGroupsForUserCommand({ UserName: user, ...paged(cursor) }), { abortSignal });
        return piece((found.Groups ?? []).map((each) => each.GroupName ?? ""), found);
      }}
      empty="The user is in no group."
      header="Group"
      page="/groups/{name}"
      removed={(name) => `from ${name}`}
      then="The user may no longer do what the group alone allows, and is no longer denied what it alone denies."
      remove={(group) => leave(user, group)}
      addition="Add to a group"
      dialog={(done, close) => <Add user={user} done={done} close={close} />}
    />
  );
}

function Add({ user, done, close }: { user: string; done: () => void; close: () => void }) {
  const [group, choose] = useState("");
  const [answer] = useAnswer("groups to choose from", (signal) => list("group", "", signal, MOST_CHOICES));
  return (
    <ChangeModal
      title="Add to a group"
      verb="Add"
      work={() => join(user, group.trim())}
      done={done}
      close={close}
      incomplete={group.trim() === ""}
    >
      <Choice
        label="Group"
        answer={answer}
        valueOf={(each) => each.name}
        nameOf={(each) => each.name}
        chosen={group}
        choose={choose}
        placeholder="Choose a group, or type its name"
        empty="There are no groups."
      />
    </ChangeModal>
  );
}
