import { type GrantConstraints, type GrantListEntry, ListGrantsCommand, RetireGrantCommand, RevokeGrantCommand } from "@aws-sdk/client-kms";
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import CopyToClipboard from "@cloudscape-design/components/copy-to-clipboard";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { kms } from "../../aws";
import { ChangeModal } from "../../shown/change-modal";
import { Listing, type Piece } from "../../shown/listing";
import { LongText } from "../../shown/long-text";
import { Time } from "../../shown/time";
import { visible } from "../../shown/visible";
import { CreateGrant } from "./create-grant";
import type { PastGrant, TabProps } from "./facts";

type Shown = Omit<PastGrant, "createdAt"> & { createdAt: Date | string | undefined };
type Doing = { what: "create" } | { what: "retire" | "revoke"; grant: Shown };

function shown(entry: GrantListEntry): Shown {
  return {
    id: entry.GrantId ?? "",
    name: entry.Name ?? "",
    grantee: entry.GranteePrincipal ?? "",
    retiring: entry.RetiringPrincipal ?? "",
    operations: entry.Operations ?? [],
    constraints: entry.Constraints,
    createdAt: entry.CreationDate,
  };
}

async function grantsOf({ name, facts }: TabProps, cursor: string, signal: AbortSignal): Promise<Piece<Shown>> {
  const past = facts?.past;
  if (past !== null && past !== undefined) return { items: past.grants, next: null };
  const request = new ListGrantsCommand({ KeyId: name, Limit: 50, ...(cursor === "" ? {} : { Marker: cursor }) });
  const answer = await (await kms()).send(request, { abortSignal: signal });
  return { items: (answer.Grants ?? []).map(shown), next: answer.NextMarker ?? null };
}

/** The constraints in one line: which encryption context a call must bring. */
function constraintText(constraints: unknown): string {
  const { EncryptionContextEquals: equals, EncryptionContextSubset: subset } = (constraints ?? {}) as GrantConstraints;
  const pairs = (each: Record<string, string>) => Object.entries(each).map(([name, value]) => `${name}=${value}`).join(", ");
  if (equals !== undefined) return `encryption context is ${pairs(equals)}`;
  return subset === undefined ? "" : `encryption context has ${pairs(subset)}`;
}

export function GrantsTab(props: TabProps) {
  const { name, facts, at, round, changed } = props;
  const [doing, setDoing] = useState<Doing | null>(null);
  const [token, setToken] = useState("");
  const close = () => setDoing(null);
  const done = (notice: string) => {
    close();
    changed(notice);
  };
  return (
    <SpaceBetween size="m">
      {token !== "" && (
        <Alert type="success" dismissible i18nStrings={{ dismissAriaLabel: "Close" }} onDismiss={() => setToken("")} header="The grant is created">
          Another server of this installation may need a moment to know it. A caller who cannot wait passes this grant token. It is
          shown only here.
          <CopyToClipboard
            variant="inline"
            textToCopy={token}
            textToDisplay={`${visible(token.slice(0, 24))}…`}
            copyButtonAriaLabel="Copy the grant token"
            copySuccessText="Copied"
            copyErrorText="The browser did not copy it"
          />
        </Alert>
      )}
      <Listing
        title="Grants"
        description="Each lets one principal call certain operations with this key, beside what the policy allows."
        question={`grants ${name} ${at ?? ""} ${facts?.past?.position ?? ""}`}
        round={round}
        load={(cursor, signal) => grantsOf(props, cursor, signal)}
        columns={[
          { id: "grantee", header: "Grantee", isRowHeader: true, cell: (grant) => <LongText text={grant.grantee} />, minWidth: 180 },
          { id: "operations", header: "Operations", cell: (grant) => grant.operations.map((each) => visible(each)).join(", ") },
          { id: "constraints", header: "Only if", cell: (grant) => visible(constraintText(grant.constraints)) || "–" },
          { id: "name", header: "Name", cell: (grant) => visible(grant.name) || "–" },
          { id: "retiring", header: "Retiring principal", cell: (grant) => <LongText text={grant.retiring || "–"} /> },
          { id: "created", header: "Created", cell: (grant) => <Time at={grant.createdAt} /> },
          { id: "id", header: "Grant ID", cell: (grant) => <span title={visible(grant.id)}>{`${visible(grant.id.slice(0, 12))}…`}</span> },
          ...(at !== null
            ? []
            : [
                {
                  id: "do",
                  header: "Actions",
                  minWidth: 100,
                  cell: (grant: Shown) => (
                    <SpaceBetween direction="horizontal" size="s">
                      <Button variant="inline-link" ariaLabel={`Retire grant ${visible(grant.id.slice(0, 12))}`} onClick={() => setDoing({ what: "retire", grant })}>
                        Retire
                      </Button>
                      <Button variant="inline-link" ariaLabel={`Revoke grant ${visible(grant.id.slice(0, 12))}`} onClick={() => setDoing({ what: "revoke", grant })}>
                        Revoke
                      </Button>
                    </SpaceBetween>
                  ),
                },
              ]),
        ]}
        keyOf={(grant) => grant.id}
        empty="There is no grant on this key."
        actions={at === null && <Button onClick={() => setDoing({ what: "create" })}>Create grant</Button>}
      />
      {doing?.what === "create" && (
        <CreateGrant
          name={name}
          facts={facts}
          close={close}
          done={(made) => {
            setToken(made);
            done("");
          }}
        />
      )}
      {doing?.what === "retire" && (
        <ChangeModal
          title="Retire a grant"
          verb="Retire"
          close={close}
          work={async () => (await kms()).send(new RetireGrantCommand({ KeyId: name, GrantId: doing.grant.id }))}
          done={() => done("The grant is retired.")}
        >
          <Box variant="p">
            Its retiring principal, and a grantee whose grant includes RetireGrant, give a grant back when they have done what it was
            for. {visible(doing.grant.grantee)} loses what it allowed.
          </Box>
        </ChangeModal>
      )}
      {doing?.what === "revoke" && (
        <ChangeModal
          title="Revoke a grant"
          verb="Revoke"
          close={close}
          work={async () => (await kms()).send(new RevokeGrantCommand({ KeyId: name, GrantId: doing.grant.id }))}
          done={() => done("The grant is revoked.")}
        >
          <Box variant="p">{visible(doing.grant.grantee)} loses what this grant allowed, at once.</Box>
        </ChangeModal>
      )}
    </SpaceBetween>
  );
}
