/** The permissions boundary of a user or role: the most that its policies can allow. */

import Button from "@cloudscape-design/components/button";
import Link from "@cloudscape-design/components/link";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { follow, href } from "../router";
import { useAnswer } from "../shown/answer";
import { AskedFirst } from "../shown/asked-first";
import { ChangeModal } from "../shown/change-modal";
import { Choice } from "../shown/choice";
import { visible } from "../shown/visible";
import { type Bounded, setBoundary } from "./changes";
import { listPolicies, MOST_CHOICES } from "./kinds";

interface BoundaryProps {
  kind: Bounded;
  name: string;
  boundary: string | null;
  again: () => void;
}

export function Boundary({ kind, name, boundary, again }: BoundaryProps) {
  const [choosing, setChoosing] = useState(false);
  return (
    <SpaceBetween size="xs">
      {boundary === null ? (
        "None"
      ) : (
        <Link href={href("/policies/{arn}", { arn: boundary })} onFollow={follow}>
          {visible(boundary)}
        </Link>
      )}
      <SpaceBetween direction="horizontal" size="s">
        <Button variant="inline-link" ariaLabel="Set the permissions boundary" onClick={() => setChoosing(true)}>
          Set
        </Button>
        {boundary !== null && (
          <AskedFirst
            verb="Remove"
            what="the permissions boundary"
            then={`Nothing bounds the ${kind} then: it may do everything that its policies allow.`}
            work={() => setBoundary(kind, name, "")}
            done={again}
          />
        )}
      </SpaceBetween>
      {choosing && (
        <Choose
          kind={kind}
          name={name}
          close={() => setChoosing(false)}
          done={() => {
            setChoosing(false);
            again();
          }}
        />
      )}
    </SpaceBetween>
  );
}

function Choose({ kind, name, done, close }: { kind: Bounded; name: string; done: () => void; close: () => void }) {
  const [arn, setArn] = useState("");
  const [answer] = useAnswer("policies for a boundary", (signal) => listPolicies("", signal, MOST_CHOICES));
  return (
    <ChangeModal
      title="Permissions boundary"
      verb="Set"
      work={() => setBoundary(kind, name, arn.trim())}
      done={done}
      close={close}
      incomplete={arn.trim() === ""}
    >
      <Choice
        label="Policy"
        description={`The ${kind} may do only what this policy allows as well.`}
        answer={answer}
        valueOf={(each) => each.arn}
        nameOf={(each) => each.name}
        chosen={arn}
        choose={setArn}
        placeholder="Choose a policy, or type its ARN"
        empty="There are no managed policies."
      />
    </ChangeModal>
  );
}
