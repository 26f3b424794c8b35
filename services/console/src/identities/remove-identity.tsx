/** Deletes a user, a group, a role or a managed policy. What still belongs to it has to go before, as IAM wants it. */

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import { useState } from "react";

import { href, navigate } from "../router";
import { ChangeModal } from "../shown/change-modal";
import { visible } from "../shown/visible";
import { remove } from "./changes";
import type { Made } from "./new-identity";

const FIRST: Record<Made, string> = {
  user: "Its policies, groups, password, access keys and MFA devices have to be taken away before.",
  group: "Its policies and users have to be taken away before.",
  role: "Its policies have to be taken away before. Its sessions end at once.",
  policy: "It has to be detached everywhere, and its other versions deleted, before.",
};
const LISTS: Record<Made, string> = { user: "/users", group: "/groups", role: "/roles", policy: "/policies" };

/** `name` is what IAM takes: the ARN of a policy. */
export function RemoveIdentity({ kind, name, shown }: { kind: Made; name: string; shown: string }) {
  const [asking, ask] = useState(false);
  return (
    <>
      <Button onClick={() => ask(true)}>Delete</Button>
      {asking && (
        <ChangeModal
          title={`Delete ${visible(shown)}`}
          verb="Delete"
          work={() => remove(kind, name)}
          done={() => navigate(href(LISTS[kind]))}
          close={() => ask(false)}
        >
          <Box variant="p">
            The {kind} cannot be brought back. {FIRST[kind]}
          </Box>
        </ChangeModal>
      )}
    </>
  );
}
