/** A user's MFA devices. */

import { ListMFADevicesCommand } from "@aws-sdk/client-iam";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { iam } from "../aws";
import { paged, piece } from "../identities/kinds";
import { ChangeModal } from "../shown/change-modal";
import { Listing } from "../shown/listing";
import { Time } from "../shown/time";
import { visible } from "../shown/visible";
import { AddDevice } from "./add-device";
import { areCodes, TwoCodes } from "./codes";
import { type Codes, synchronise, takeAway } from "./devices";
import { deviceName } from "./key-uri";

type Asking = { what: "add" } | { what: "synchronise" | "remove"; serial: string };

export function MfaDevices({ user }: { user: string }) {
  const [round, setRound] = useState(0);
  const [asking, ask] = useState<Asking | null>(null);
  const [count, setCount] = useState(0);
  const close = () => ask(null);
  const done = () => {
    close();
    setRound((before) => before + 1);
  };
  return (
    <SpaceBetween size="m">
      <Listing
        title="MFA devices"
        description="Apps that show a code, which is asked for at sign-in beside the password."
        question={`mfa devices ${user}`}
        round={round}
        load={async (cursor, abortSignal) => {
          const found = await (await iam()).send(new ListMFADevicesCommand({ UserName: user, ...paged(cursor) }), { abortSignal });
          setCount(found.MFADevices?.length ?? 0);
          return piece(found.MFADevices ?? [], found);
        }}
        keyOf={(item) => item.SerialNumber ?? ""}
        empty="This user has no MFA device."
        columns={[
          { id: "name", header: "Device", isRowHeader: true, minWidth: 120, cell: (item) => visible(deviceName(item.SerialNumber ?? "")) },
          { id: "arn", header: "ARN", minWidth: 200, cell: (item) => visible(item.SerialNumber ?? "") },
          { id: "since", header: "Added", minWidth: 180, cell: (item) => <Time at={item.EnableDate} /> },
          {
            id: "change",
            header: "",
            minWidth: 170,
            cell: (item) => {
              const serial = item.SerialNumber ?? "";
              const name = visible(deviceName(serial));
              return (
                <SpaceBetween direction="horizontal" size="s">
                  <Button variant="inline-link" ariaLabel={`Resync ${name}`} onClick={() => ask({ what: "synchronise", serial })}>
                    Resync
                  </Button>
                  <Button variant="inline-link" ariaLabel={`Remove ${name}`} onClick={() => ask({ what: "remove", serial })}>
                    Remove
                  </Button>
                </SpaceBetween>
              );
            },
          },
        ]}
        actions={<Button onClick={() => ask({ what: "add" })}>Add MFA device</Button>}
      />
      {asking?.what === "add" && (
        <AddDevice user={user} suggested={count === 0 ? user : `${user}-${count + 1}`} done={done} close={close} />
      )}
      {asking?.what === "synchronise" && <Synchronise user={user} serial={asking.serial} done={done} close={close} />}
      {asking?.what === "remove" && (
        <ChangeModal
          title={`Remove ${visible(deviceName(asking.serial))}`}
          verb="Remove"
          work={() => takeAway(user, asking.serial)}
          done={done}
          close={close}
        >
          <Box variant="p">
            The device is taken from {visible(user)} and deleted: its codes are worth nothing from then on.
            {count === 1 && " It is the last one, so no code is asked for at sign-in any more."} Console sessions that began with the
            user’s password end.
          </Box>
        </ChangeModal>
      )}
    </SpaceBetween>
  );
}

function Synchronise({ user, serial, done, close }: { user: string; serial: string; done: () => void; close: () => void }) {
  const [codes, setCodes] = useState<Codes>(["", ""]);
  return (
    <ChangeModal
      title={`Resync ${visible(deviceName(serial))}`}
      verb="Resync"
      work={() => synchronise(user, serial, codes)}
      done={done}
      close={close}
      incomplete={!areCodes(codes)}
    >
      <Box variant="p">If the device’s clock has drifted, its codes are refused. Two of them tell Keytrail how far.</Box>
      <TwoCodes codes={codes} change={setCodes} />
    </ChangeModal>
  );
}
