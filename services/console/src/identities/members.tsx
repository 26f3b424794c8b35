/** The users of a group. */

import { GetGroupCommand } from "@aws-sdk/client-iam";
import { useState } from "react";

import { iam } from "../aws";
import { useAnswer } from "../shown/answer";
import { ChangeModal } from "../shown/change-modal";
import { Choice } from "../shown/choice";
import { join, leave } from "./changes";
import { list, MOST_CHOICES, paged, piece } from "./kinds";
import { Membership } from "./membership";

export function Members({ group }: { group: string }) {
  return (
    <Membership
      title="Users in the group"
      question={`members of ${group}`}
      load={async (cursor, abortSignal) => {
        const found = await (await iam()).send(new GetGroupCommand({ GroupName: group, ...paged(cursor) }), { abortSignal });
        return piece((found.Users ?? []).map((each) => each.UserName ?? ""), found);
      }}
      empty="No user is in the group."
      header="User"
      page="/users/{name}"
      removed={(name) => name}
      then="The user may no longer do what the group alone allows, and is no longer denied what it alone denies."
      remove={(user) => leave(user, group)}
      addition="Add user"
      dialog={(done, close) => <Add group={group} done={done} close={close} />}
    />
  );
}

function Add({ group, done, close }: { group: string; done: () => void; close: () => void }) {
  const [user, choose] = useState("");
  const [answer] = useAnswer("users to choose from", (signal) => list("user", "", signal, MOST_CHOICES));
  return (
    <ChangeModal title="Add a user to the group" verb="Add" work={() => join(user.trim(), group)} done={done} close={close} incomplete={user.trim() === ""}>
      <Choice
        label="User"
        answer={answer}
        valueOf={(each) => each.name}
        nameOf={(each) => each.name}
        chosen={user}
        choose={choose}
        placeholder="Choose a user, or type its name"
        empty="There are no users."
      />
    </ChangeModal>
  );
}
