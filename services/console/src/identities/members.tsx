/** The users of a group. */

import { GetGroupCommand } from "@aws-sdk/client-iam";
import Button from "@cloudscape-design/components/button";
import Link from "@cloudscape-design/components/link";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { iam } from "../aws";
import { follow, href } from "../router";
import { useAct } from "../shown/act";
import { useAnswer } from "../shown/answer";
import { ChangeModal } from "../shown/change-modal";
import { Choice } from "../shown/choice";
import { Listing } from "../shown/listing";
import { Problem } from "../shown/problem";
import { visible } from "../shown/visible";
import { join, leave } from "./changes";
import { list, MOST_CHOICES, paged, piece } from "./kinds";

export function Members({ group }: { group: string }) {
  const [round, setRound] = useState(0);
  const [adding, add] = useState(false);
  const act = useAct();
  const changed = () => {
    add(false);
    setRound((before) => before + 1);
  };
  return (
    <SpaceBetween size="m">
      {act.fault !== null && <Problem fault={act.fault} />}
      <Listing
        title="Users in the group"
        question={`members of ${group} ${round}`}
        load={async (cursor, abortSignal) => {
          const found = await (await iam()).send(new GetGroupCommand({ GroupName: group, ...paged(cursor) }), { abortSignal });
          return piece((found.Users ?? []).map((each) => each.UserName ?? ""), found);
        }}
        keyOf={(item) => item}
        empty="No user is in the group."
        columns={[
          {
            id: "name",
            header: "User",
            isRowHeader: true,
            cell: (item) => (
              <Link href={href("/users/{name}", { name: item })} onFollow={follow}>
                {visible(item)}
              </Link>
            ),
          },
          {
            id: "remove",
            header: "",
            cell: (item) => (
              <Button
                variant="inline-link"
                ariaLabel={`Remove ${visible(item)}`}
                disabled={act.busy}
                onClick={() => act.run(() => leave(item, group), changed)}
              >
                Remove
              </Button>
            ),
          },
        ]}
        actions={<Button onClick={() => add(true)}>Add user</Button>}
      />
      {adding && <Add group={group} done={changed} close={() => add(false)} />}
    </SpaceBetween>
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
