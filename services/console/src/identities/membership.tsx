/** A list of the groups of a user, or of the users of a group: each can be removed, and another be added. */

import Button from "@cloudscape-design/components/button";
import Link from "@cloudscape-design/components/link";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { type ReactNode, useState } from "react";

import { follow, href } from "../router";
import { AskedFirst } from "../shown/asked-first";
import { Listing, type Piece } from "../shown/listing";
import { visible } from "../shown/visible";

export interface MembershipProps {
  title: string;
  /** Stands for what `load` reads. */
  question: string;
  load: (cursor: string, signal: AbortSignal) => Promise<Piece<string>>;
  empty: string;
  header: string;
  /** The page of one of them, with {name}. */
  page: string;
  /** What is said after "Remove": "from auditors". */
  removed: (name: string) => string;
  /** What follows from it. */
  then: string;
  remove: (name: string) => Promise<unknown>;
  addition: string;
  /** The dialog that adds another. */
  dialog: (done: () => void, close: () => void) => ReactNode;
}

export function Membership({ title, question, load, empty, header, page, removed, then, remove, addition, dialog }: MembershipProps) {
  const [round, setRound] = useState(0);
  const [adding, add] = useState(false);
  const changed = () => {
    add(false);
    setRound((before) => before + 1);
  };
  return (
    <SpaceBetween size="m">
      <Listing
        title={title}
        question={question}
        round={round}
        load={load}
        keyOf={(item) => item}
        empty={empty}
        columns={[
          {
            id: "name",
            header,
            isRowHeader: true,
            cell: (item) => (
              <Link href={href(page, { name: item })} onFollow={follow}>
                {visible(item)}
              </Link>
            ),
          },
          {
            id: "remove",
            header: "",
            cell: (item) => <AskedFirst verb="Remove" what={removed(item)} then={then} work={() => remove(item)} done={changed} />,
          },
        ]}
        actions={<Button onClick={() => add(true)}>{addition}</Button>}
      />
      {adding && dialog(changed, () => add(false))}
    </SpaceBetween>
  );
}
