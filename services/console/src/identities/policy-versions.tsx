/** The versions of a managed policy: look at one, make a new one, put one into force, delete one. */

import {
  CreatePolicyVersionCommand,
  DeletePolicyVersionCommand,
  GetPolicyCommand,
  GetPolicyVersionCommand,
  ListPolicyVersionsCommand,
  SetDefaultPolicyVersionCommand,
} from "@aws-sdk/client-iam";
import Button from "@cloudscape-design/components/button";
import Checkbox from "@cloudscape-design/components/checkbox";
import Link from "@cloudscape-design/components/link";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { iam } from "../aws";
import { changeQuery, href } from "../router";
import { AskedFirst } from "../shown/asked-first";
import { Listing } from "../shown/listing";
import { Time } from "../shown/time";
import { visible } from "../shown/visible";
import { EditDocument } from "./edit-document";
import { paged, piece } from "./kinds";

interface VersionsProps {
  arn: string;
  /** What a new version begins with, if it is not the version in force. */
  begin?: string | undefined;
  /** Something about the policy is no longer as it was. */
  changed: () => void;
}

export function PolicyVersions({ arn, begin, changed }: VersionsProps) {
  const [round, setRound] = useState(0);
  const [making, make] = useState(false);
  const done = () => {
    make(false);
    setRound((before) => before + 1);
    changed();
  };
  return (
    <SpaceBetween size="m">
      <Listing
        title="Versions"
        question={`versions ${arn}`}
        round={round}
        load={async (cursor, abortSignal) => {
          const all = await (await iam()).send(new ListPolicyVersionsCommand({ PolicyArn: arn, ...paged(cursor) }), { abortSignal });
          return piece(all.Versions ?? [], all);
        }}
        keyOf={(item) => item.VersionId ?? ""}
        empty="There is no version."
        columns={[
          {
            id: "version",
            header: "Version",
            isRowHeader: true,
            cell: (item) => (
              <Link
                href={href("/policies/{arn}", { arn }, { version: item.VersionId ?? "" })}
                onFollow={(event) => {
                  event.preventDefault();
                  changeQuery({ version: item.VersionId });
                }}
              >
                {visible(item.VersionId ?? "")}
              </Link>
            ),
          },
          { id: "default", header: "In force", cell: (item) => (item.IsDefaultVersion === true ? "yes" : "no") },
          { id: "created", header: "Created", minWidth: 180, cell: (item) => <Time at={item.CreateDate} /> },
          {
            id: "change",
            header: "",
            minWidth: 190,
            cell: (item) => {
              const VersionId = item.VersionId ?? "";
              if (item.IsDefaultVersion === true) return null;
              return (
                <SpaceBetween direction="horizontal" size="s">
                  <AskedFirst
                    verb="Put"
                    what={VersionId}
                    whither="into force"
                    then="It decides from now on what everybody may do who has the policy. The other versions stay."
                    work={async () => (await iam()).send(new SetDefaultPolicyVersionCommand({ PolicyArn: arn, VersionId }))}
                    done={done}
                  />
                  <AskedFirst
                    verb="Delete"
                    what={VersionId}
                    then="The version is gone, with its text. The one in force stays."
                    work={async () => (await iam()).send(new DeletePolicyVersionCommand({ PolicyArn: arn, VersionId }))}
                    done={done}
                  />
                </SpaceBetween>
              );
            },
          },
        ]}
        actions={<Button onClick={() => make(true)}>Create version</Button>}
      />
      {making && <NewVersion arn={arn} begin={begin} done={done} close={() => make(false)} />}
    </SpaceBetween>
  );
}

export async function versionText(PolicyArn: string, VersionId: string, abortSignal: AbortSignal): Promise<string> {
  const { PolicyVersion: version } = await (await iam()).send(new GetPolicyVersionCommand({ PolicyArn, VersionId }), { abortSignal });
  return decodeURIComponent(version?.Document ?? "");
}

async function textInForce(PolicyArn: string, abortSignal: AbortSignal): Promise<string> {
  const { Policy: policy } = await (await iam()).send(new GetPolicyCommand({ PolicyArn }), { abortSignal });
  return versionText(PolicyArn, policy?.DefaultVersionId ?? "v1", abortSignal);
}

function NewVersion({ arn, begin, done, close }: Pick<VersionsProps, "arn" | "begin"> & { done: () => void; close: () => void }) {
  const [inForce, setInForce] = useState(true);
  return (
    <EditDocument
      title="Create version"
      verb="Create version"
      label="Policy"
      subject={`version ${arn}`}
      ask={(signal) => textInForce(arn, signal)}
      {...(begin === undefined ? {} : { begin })}
      put={(client, text) => client.send(new CreatePolicyVersionCommand({ PolicyArn: arn, PolicyDocument: text, SetAsDefault: inForce }))}
      done={() => {
        changeQuery({ version: undefined }, { replace: true });
        done();
      }}
      close={close}
    >
      <Checkbox checked={inForce} onChange={({ detail }) => setInForce(detail.checked)}>
        Put it into force at once
      </Checkbox>
    </EditDocument>
  );
}
