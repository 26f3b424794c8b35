/** The account's users, groups, roles or managed policies, a page of the server's at a time. */

import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import SpaceBetween from "@cloudscape-design/components/space-between";
import type { TableProps } from "@cloudscape-design/components/table";
import { useState } from "react";

import { useMfaColumn } from "../mfa/column";
import { follow, href } from "../router";
import { Listing } from "../shown/listing";
import { Time } from "../shown/time";
import { visible } from "../shown/visible";
import { list, listPolicies, type Named } from "./kinds";
import { type Made, NewIdentity } from "./new-identity";

export const TITLES: Record<Made, string> = { user: "Users", group: "Groups", role: "Roles", policy: "Policies" };
const WORDS: Record<Made, string> = {
  user: "People and programs with credentials of their own.",
  group: "Users who share policies.",
  role: "What users, services and other accounts can assume.",
  policy: "Managed policies, which can be attached to users, groups and roles.",
};

const SIGNED_IN: TableProps.ColumnDefinition<Named> = {
  id: "signed-in",
  header: "Last sign-in with a password",
  minWidth: 180,
  cell: (item) => <Time at={item.signedIn} />,
};

export function pageOf(kind: Made, item: Named): string {
  if (kind === "policy") return href("/policies/{arn}", { arn: item.arn });
  return href(`/${kind}s/{name}`, { name: item.name });
}

export function IdentityList({ kind }: { kind: Made }) {
  const [round, setRound] = useState(0);
  const [creating, create] = useState(false);
  const mfa = useMfaColumn(kind === "user", round);
  const columns: TableProps.ColumnDefinition<Named>[] = [
    {
      id: "name",
      header: "Name",
      isRowHeader: true,
      minWidth: 150,
      cell: (item) => (
        <Link href={pageOf(kind, item)} onFollow={follow}>
          {visible(item.name)}
        </Link>
      ),
    },
    { id: "arn", header: "ARN", minWidth: 200, cell: (item) => visible(item.arn) },
    { id: "created", header: "Created", minWidth: 180, cell: (item) => <Time at={item.created} /> },
    ...(kind === "user" ? [SIGNED_IN] : []),
    ...mfa,
  ];
  return (
    <SpaceBetween size="m">
      <Header variant="h1" description={WORDS[kind]}>
        {TITLES[kind]}
      </Header>
      <Listing
        title={TITLES[kind]}
        question={`${kind} list`}
        round={round}
        load={(cursor, signal) => (kind === "policy" ? listPolicies(cursor, signal) : list(kind, cursor, signal))}
        columns={columns}
        keyOf={(item) => item.arn}
        empty={`This account has no ${TITLES[kind].toLowerCase()}.`}
        actions={
          <Button variant="primary" onClick={() => create(true)}>
            Create {kind}
          </Button>
        }
      />
      {creating && (
        <NewIdentity
          kind={kind}
          close={() => create(false)}
          done={() => {
            create(false);
            setRound(round + 1);
          }}
        />
      )}
    </SpaceBetween>
  );
}
