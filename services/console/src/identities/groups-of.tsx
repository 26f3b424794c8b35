/** The groups of a user. */

import { ListGroupsForUserCommand } from "@aws-sdk/client-iam";
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

export function GroupsOf({ user }: { user: string }) {
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
        title="Groups of the user"
        question={`groups of ${user} ${round}`}
        load={async (cursor, abortSignal) => {
          const found = await (await iam()).send(new ListGroupsForUserCommand({ UserName: user, ...paged(cursor) }), { abortSignal });
          return piece((found.Groups ?? []).map((each) => each.GroupName ?? ""), found);
        }}
        keyOf={(item) => item}
        empty="The user is in no group."
        columns={[
          {
            id: "name",
            header: "Group",
            isRowHeader: true,
            cell: (item) => (
              <Link href={href("/groups/{name}", { name: item })} onFollow={follow}>
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
                ariaLabel={`Remove from ${visible(item)}`}
                disabled={act.busy}
                onClick={() => act.run(() => leave(user, item), changed)}
              >
                Remove
              </Button>
            ),
          },
        ]}
        actions={<Button onClick={() => add(true)}>Add to a group</Button>}
      />
      {adding && <Add user={user} done={changed} close={() => add(false)} />}
    </SpaceBetween>
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
