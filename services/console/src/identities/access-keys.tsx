/** A user's access keys. The secret of a new one is shown once, when it is made: nobody can read it again. */

import {
  type AccessKey,
  CreateAccessKeyCommand,
  DeleteAccessKeyCommand,
  ListAccessKeysCommand,
  UpdateAccessKeyCommand,
} from "@aws-sdk/client-iam";
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import CopyToClipboard from "@cloudscape-design/components/copy-to-clipboard";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import Modal from "@cloudscape-design/components/modal";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import { useEffect, useRef, useState } from "react";

import { iam } from "../aws";
import { download } from "../shown/download";
import { useAct } from "../shown/act";
import { isUnanswered } from "../shown/fault";
import { useLeaveGuard } from "../shown/leave-guard";
import { Listing } from "../shown/listing";
import { Problem } from "../shown/problem";
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
        question={`access keys ${user} ${round}`}
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
              const other = item.Status === "Active" ? "Inactive" : "Active";
              return (
                <SpaceBetween direction="horizontal" size="s">
                  <Button
                    variant="inline-link"
                    ariaLabel={`${other === "Active" ? "Activate" : "Deactivate"} ${id}`}
                    disabled={act.busy}
                    onClick={() =>
                      act.run(async () => (await iam()).send(new UpdateAccessKeyCommand({ UserName: user, AccessKeyId: id, Status: other })), changed)
                    }
                  >
                    {other === "Active" ? "Activate" : "Deactivate"}
                  </Button>
                  {item.Status !== "Active" && (
                    <Button
                      variant="inline-link"
                      ariaLabel={`Delete ${id}`}
                      disabled={act.busy}
                      onClick={() => act.run(async () => (await iam()).send(new DeleteAccessKeyCommand({ UserName: user, AccessKeyId: id })), changed)}
                    >
                      Delete
                    </Button>
                  )}
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
      {made !== null && <ShownOnce made={made} close={() => setMade(null)} />}
    </SpaceBetween>
  );
}

/** As the AWS console has it: with a byte order mark, for spreadsheets. */
function csv(made: AccessKey): string {
  return `\ufeffAccess key ID,Secret access key\r\n${made.AccessKeyId ?? ""},${made.SecretAccessKey ?? ""}\r\n`;
}

function ShownOnce({ made, close }: { made: AccessKey; close: () => void }) {
  const copied = (label: string, text: string) => (
    <CopyToClipboard
      variant="inline"
      textToCopy={text}
      textToDisplay={visible(text)}
      copyButtonAriaLabel={`Copy the ${visible(label)}`}
      copySuccessText="Copied"
      copyErrorText="The browser did not copy it"
    />
  );
  return (
    <Modal
      visible
      header="The new access key"
      onDismiss={({ detail }) => {
        if (detail.reason !== "overlay" && detail.reason !== "keyboard") close(); // a slip would lose the secret
      }}
      closeAriaLabel="Close"
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button onClick={() => download(`${made.UserName ?? "user"}_accessKeys.csv`, csv(made))}>Download .csv file</Button>
            <Button variant="primary" onClick={close}>
              Done
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <SpaceBetween size="m">
        <Alert type="warning">This is the only time that the secret access key can be seen. Keytrail cannot show it again.</Alert>
        <KeyValuePairs
          items={[
            { label: "Access key ID", value: copied("access key ID", made.AccessKeyId ?? "") },
            { label: "Secret access key", value: copied("secret access key", made.SecretAccessKey ?? "") },
          ]}
        />
      </SpaceBetween>
    </Modal>
  );
}
