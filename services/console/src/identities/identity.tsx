/** One user, group or role: what it is, what it may do, and what belongs to it. */

import { UpdateAssumeRolePolicyCommand } from "@aws-sdk/client-iam";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import Link from "@cloudscape-design/components/link";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import Textarea from "@cloudscape-design/components/textarea";
import { useState } from "react";

import { iam } from "../aws";
import { follow, href, navigate } from "../router";
import { useAnswer } from "../shown/answer";
import { ChangeModal } from "../shown/change-modal";
import { DocumentText } from "../shown/document";
import { Problem } from "../shown/problem";
import { Time } from "../shown/time";
import { visible } from "../shown/visible";
import { AccessKeys } from "./access-keys";
import { GroupsOf } from "./groups-of";
import { type KindName, one, type OneIdentity } from "./kinds";
import { AttachedPolicies, InlinePolicies } from "./policies-of";

export function Identity({ kind, name }: { kind: KindName; name: string }) {
  const [answer, again] = useAnswer(`${kind} ${name}`, (signal) => one(kind, name, signal));
  const found = answer.value;
  if (answer.state === "fault") return <Problem fault={answer.fault} again={again} />;
  if (found === null) return <Spinner size="large" />;
  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        actions={
          <Button onClick={() => navigate(href("/decisions", {}, { principal: found.arn }))} disabled={kind === "group"}>
            Decisions
          </Button>
        }
      >
        {visible(found.name)}
      </Header>
      <Container header={<Header variant="h2">Summary</Header>}>
        <KeyValuePairs
          columns={3}
          items={[
            { label: "ARN", value: visible(found.arn) },
            { label: "Unique id", value: visible(found.id) },
            { label: "Created", value: <Time at={found.created} /> },
          ]}
        />
      </Container>
      <AttachedPolicies kind={kind} name={name} />
      <InlinePolicies kind={kind} name={name} />
      {kind === "user" && <GroupsOf user={name} />}
      {kind === "user" && <AccessKeys user={name} />}
      {kind === "group" && <Members of={found} />}
      {kind === "role" && <Trust of={found} again={again} />}
    </SpaceBetween>
  );
}

function Members({ of }: { of: OneIdentity }) {
  return (
    <Container header={<Header variant="h2">Users in the group</Header>}>
      {of.members.length === 0 ? (
        <Box color="text-body-secondary">No user is in the group.</Box>
      ) : (
        <SpaceBetween size="xs">
          {of.members.map((each) => (
            <Link key={each} href={href("/users/{name}", { name: each })} onFollow={follow}>
              {visible(each)}
            </Link>
          ))}
        </SpaceBetween>
      )}
    </Container>
  );
}

function Trust({ of, again }: { of: OneIdentity; again: () => void }) {
  const [editing, edit] = useState(false);
  const [document, setDocument] = useState(of.trust ?? "");
  return (
    <Container
      header={
        <Header variant="h2" actions={<Button onClick={() => edit(true)}>Edit</Button>}>
          Trust policy
        </Header>
      }
    >
      <DocumentText document={of.trust ?? ""} label="Trust policy" />
      {editing && (
        <ChangeModal
          title="Who may assume the role"
          verb="Put"
          work={async () => (await iam()).send(new UpdateAssumeRolePolicyCommand({ RoleName: of.name, PolicyDocument: document }))}
          done={() => {
            edit(false);
            again();
          }}
          close={() => edit(false)}
        >
          <FormField label="Trust policy" stretch>
            <Textarea value={document} rows={14} spellcheck={false} onChange={({ detail }) => setDocument(detail.value)} />
          </FormField>
        </ChangeModal>
      )}
    </Container>
  );
}
