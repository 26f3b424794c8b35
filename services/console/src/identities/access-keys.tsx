/** A user's access keys. The secret of a new one is shown once, when it is made: nobody can read it again. */

import {
  type AccessKey,
  CreateAccessKeyCommand,
  DeleteAccessKeyCommand,
  ListAccessKeysCommand,
  UpdateAccessKeyCommand,
} from "@aws-sdk/client-iam";
import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import { useEffect, useRef, useState } from "react";

import { iam } from "../aws";
import { useAct } from "../shown/act";
import { AskedFirst } from "../shown/asked-first";
import { isUnanswered } from "../shown/fault";
import { useLeaveGuard } from "../shown/leave-guard";
import { Listing } from "../shown/listing";
import { Problem } from "../shown/problem";
import { ShownOnce } from "../shown/shown-once";
import { Time } from "../shown/time";
import { visible } from "../shown/visible";
import { paged, piece } from "./kinds";
import { forgetUnseen, notingUnseen, unseenKey } from "./unseen-keys";

export function AccessKeys({ user }: { user: string }) {
  const [round, setRound] = useState(0);
  const [made, setMade] = useState<AccessKey | null>(null);
  const act = useAct();
  const creation = useAct();
  const changed = () => setRound((before) => before + 1);
  const [unseen, setUnseen] = useState(() => unseenKey(user));
  const here = useRef(true);
  useEffect(() => {
    here.current = true;
    return () => {
      here.current = false;
    };
  }, []);
  useLeaveGuard(
    made !== null
      ? "The secret of the new access key is shown this once. Leave, and nobody can see it again?"
      : creation.busy
        ? "An access key is being made, and its secret is shown once. Leave, and nobody can see it again?"
        : null,
  );
  const create = async (): Promise<AccessKey | null> => {
    const note = notingUnseen(user);
    try {
      const key = (await (await iam()).send(new CreateAccessKeyCommand({ UserName: user }))).AccessKey ?? null;
      if (!here.current) note(key?.AccessKeyId ?? "");
      return key;
    } catch (thrown) {
      changed(); // it may exist all the same
      throw thrown;
    }
  };
  return (
    <SpaceBetween size="m">
      {unseen !== null && (
        <Alert
          type="warning"
          header="An access key was made whose secret nobody has seen"
          dismissible
          i18nStrings={{ dismissAriaLabel: "Close" }}
          onDismiss={() => {
            forgetUnseen(user);
            setUnseen(null);
          }}
        >
          This page was left while {visible(unseen)} was made. The key exists and works, but its secret cannot be shown again. Deactivate
          and delete it, and create another one.
        </Alert>
      )}
      {act.fault !== null && <Problem fault={act.fault} />}
      {creation.fault !== null && <Problem fault={creation.fault} />}
      {creation.fault !== null && isUnanswered(creation.fault) && (
        <Alert type="warning" header="The access key may exist">
          Keytrail’s answer did not arrive. If the list has a key that you do not know, it was made, and nobody has seen its secret:
          deactivate and delete it, and create another one.
        </Alert>
      )}
      <Listing
        title="Access keys"
        question={`access keys ${user}`}
        round={round}
        load={async (cursor, abortSignal) => {
          const found = await (await iam()).send(new ListAccessKeysCommand({ UserName: user, ...paged(cursor) }), { abortSignal });
          return piece(found.AccessKeyMetadata ?? [], found);
        }}
        keyOf={(item) => item.AccessKeyId ?? ""}
        empty="This user has no access key."
        columns={[
          { id: "id", header: "Access key ID", isRowHeader: true, minWidth: 200, cell: (item) => visible(item.AccessKeyId ?? "") },
          {
            id: "status",
            header: "Status",
            minWidth: 110,
            cell: (item) => <StatusIndicator type={item.Status === "Active" ? "success" : "stopped"}>{item.Status}</StatusIndicator>,
          },
          { id: "created", header: "Created", minWidth: 180, cell: (item) => <Time at={item.CreateDate} /> },
          {
            id: "change",
            header: "",
            minWidth: 170,
            cell: (item) => {
              const id = visible(item.AccessKeyId ?? "");
              const put = async (status: "Active" | "Inactive") =>
                (await iam()).send(new UpdateAccessKeyCommand({ UserName: user, AccessKeyId: id, Status: status }));
              return item.Status === "Active" ? (
                <AskedFirst
                  verb="Deactivate"
                  what={id}
                  then="Whatever uses the access key is refused from now on. It can be activated again."
                  work={() => put("Inactive")}
                  done={changed}
                />
              ) : (
                <SpaceBetween direction="horizontal" size="s">
                  <Button variant="inline-link" ariaLabel={`Activate ${id}`} disabled={act.busy} onClick={() => act.run(() => put("Active"), changed)}>
                    Activate
                  </Button>
                  <AskedFirst
                    verb="Delete"
                    what={id}
                    then="The access key cannot be activated again, and nothing brings it back."
                    work={async () => (await iam()).send(new DeleteAccessKeyCommand({ UserName: user, AccessKeyId: id }))}
                    done={changed}
                  />
                </SpaceBetween>
              );
            },
          },
        ]}
        actions={
          <Button
            loading={creation.busy}
            onClick={() =>
              creation.run(create, (key) => {
                setMade(key);
                changed();
              })
            }
          >
            Create access key
          </Button>
        }
      />
      {made !== null && (
        <ShownOnce
          header="The new access key"
          secret="the secret access key"
          members={[
            { label: "Access key ID", copies: "access key ID", text: made.AccessKeyId ?? "" },
            { label: "Secret access key", copies: "secret access key", text: made.SecretAccessKey ?? "" },
          ]}
          file={{ name: `${made.UserName ?? "user"}_accessKeys.csv`, text: csv(made) }}
          close={() => setMade(null)}
        />
      )}
    </SpaceBetween>
  );
}

/** As the AWS console has it: with a byte order mark, for spreadsheets. */
function csv(made: AccessKey): string {
  return `\ufeffAccess key ID,Secret access key\r\n${made.AccessKeyId ?? ""},${made.SecretAccessKey ?? ""}\r\n`;
}
