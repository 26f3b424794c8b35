/** One user, group or role: what it is, what it may do, and what belongs to it. */

import { UpdateAssumeRolePolicyCommand } from "@aws-sdk/client-iam";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import { useState } from "react";

import { MakeEvidence } from "../evidence/make-evidence";
import { MfaDevices } from "../mfa/mfa-devices";
import { ConsoleSignIn } from "../passwords/console-sign-in";
import { href, navigate } from "../router";
import { ofArn } from "../session/role";
import { useAnswer } from "../shown/answer";
import { DocumentText } from "../shown/document";
import { Problem } from "../shown/problem";
import { Time } from "../shown/time";
import { useSubject } from "../shown/subject";
import { visible } from "../shown/visible";
import { NARROWEST } from "../shown/widths";
import { AccessKeys } from "./access-keys";
import { Boundary } from "./boundary";
import { EditDocument } from "./edit-document";
import { GroupsOf } from "./groups-of";
import { type KindName, one, type OneIdentity } from "./kinds";
import { Members } from "./members";
import { AttachedPolicies, InlinePolicies } from "./policies-of";
import { RemoveIdentity } from "./remove-identity";

export function Identity({ kind, name }: { kind: KindName; name: string }) {
  const [answer, again] = useAnswer(`${kind} ${name}`, (signal) => one(kind, name, signal));
  const found = answer.value;
  useSubject(visible(name));
  if (answer.state === "fault") return <Problem fault={answer.fault} again={again} />;
  if (found === null) return <Spinner size="large" />;
  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            {kind !== "group" && <Button onClick={() => navigate(href("/decisions", {}, { principal: found.arn }))}>Decisions</Button>}
            {kind === "role" && <Button onClick={() => navigate(switchPage(found.arn))}>Switch to this role</Button>}
            <MakeEvidence about={{ principal: found.arn }} />
            <RemoveIdentity kind={kind} name={name} shown={found.name} />
          </SpaceBetween>
        }
      >
        {visible(found.name)}
      </Header>
      <Container header={<Header variant="h2">Summary</Header>}>
        <KeyValuePairs
          minColumnWidth={NARROWEST}
          columns={3}
          items={[
            { label: "ARN", value: visible(found.arn) },
            { label: "Unique id", value: visible(found.id) },
            { label: "Created", value: <Time at={found.created} /> },
            ...(kind === "group"
              ? []
              : [{ label: "Permissions boundary", value: <Boundary kind={kind} name={name} boundary={found.boundary} again={again} /> }]),
          ]}
        />
      </Container>
      <AttachedPolicies kind={kind} name={name} />
      <InlinePolicies kind={kind} name={name} />
      {kind === "user" && <GroupsOf user={name} />}
      {kind === "user" && <ConsoleSignIn user={name} />}
      {kind === "user" && <MfaDevices user={name} />}
      {kind === "user" && <AccessKeys user={name} />}
      {kind === "group" && <Members group={name} />}
      {kind === "role" && <Trust of={found} again={again} />}
    </SpaceBetween>
  );
}

function switchPage(arn: string): string {
  const asked = ofArn(arn);
  return href("/switch-role", {}, asked === null ? {} : { account: asked.account, role: asked.role });
}

function Trust({ of, again }: { of: OneIdentity; again: () => void }) {
  const [editing, edit] = useState(false);
  return (
    <Container
      header={
        <Header
          variant="h2"
          actions={
            <Button ariaLabel="Edit the trust policy" onClick={() => edit(true)}>
              Edit
            </Button>
          }
        >
          Trust policy
        </Header>
      }
    >
      <DocumentText document={of.trust ?? ""} label="Trust policy" />
      {editing && (
        <EditDocument
          title="Who may assume the role"
          label="Trust policy"
          subject={`trust ${of.name}`}
          ask={async (signal) => (await one("role", of.name, signal)).trust ?? ""}
          put={(client, text) => client.send(new UpdateAssumeRolePolicyCommand({ RoleName: of.name, PolicyDocument: text }))}
          close={() => edit(false)}
          done={() => {
            edit(false);
            again();
          }}
        />
      )}
    </Container>
  );
}
