/** Makes a user, a group, a role or a managed policy. */

import { CreateGroupCommand, CreatePolicyCommand, CreateRoleCommand, CreateUserCommand } from "@aws-sdk/client-iam";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import Textarea from "@cloudscape-design/components/textarea";
import { useState } from "react";

import { iam } from "../aws";
import { current } from "../session/session";
import { ChangeModal } from "../shown/change-modal";
import { useDraft } from "../shown/draft";
import type { KindName } from "./kinds";

export type Made = KindName | "policy";

const POLICY = { Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: ["kms:DescribeKey"], Resource: "*" }] };

/** The document to begin with; "" for what has none. */
function begin(kind: Made): string {
  if (kind === "policy") return JSON.stringify(POLICY, null, 2);
  if (kind !== "role") return "";
  const principal = `arn:aws:iam::${current()?.identity.account ?? ""}:root`;
  const trust = { Effect: "Allow", Principal: { AWS: principal }, Action: "sts:AssumeRole" };
  return JSON.stringify({ Version: "2012-10-17", Statement: [trust] }, null, 2);
}

async function make(kind: Made, name: string, document: string): Promise<unknown> {
  const client = await iam();
  switch (kind) {
    case "user":
      return client.send(new CreateUserCommand({ UserName: name }));
    case "group":
      return client.send(new CreateGroupCommand({ GroupName: name }));
    case "role":
      return client.send(new CreateRoleCommand({ RoleName: name, AssumeRolePolicyDocument: document }));
    case "policy":
      return client.send(new CreatePolicyCommand({ PolicyName: name, PolicyDocument: document }));
  }
}

export function NewIdentity({ kind, done, close }: { kind: Made; done: () => void; close: () => void }) {
  const [name, setName] = useState("");
  const draft = useDraft(`new ${kind}`);
  const text = draft.own?.text ?? begin(kind);
  return (
    <ChangeModal
      title={`Create ${kind}`}
      verb="Create"
      work={() => make(kind, name, text)}
      done={() => {
        draft.forget();
        done();
      }}
      close={() => {
        draft.forget();
        close();
      }}
      incomplete={name === ""}
    >
      <FormField label="Name" description="Letters, digits and +=,.@_-">
        <Input value={name} onChange={({ detail }) => setName(detail.value)} />
      </FormField>
      {(kind === "role" || kind === "policy") && (
        <FormField label={kind === "role" ? "Trust policy: who may assume the role" : "Policy"} stretch>
          <Textarea value={text} rows={14} spellcheck={false} onChange={({ detail }) => draft.write(detail.value, null)} />
        </FormField>
      )}
    </ChangeModal>
  );
}
