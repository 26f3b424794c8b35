/** Gives a user a virtual MFA device: it is named, its secret is scanned, and two of its codes show that it works. Until then the
 * device is nobody's. Whoever leaves before deletes it; if the browser was closed, its name is taken, and the next attempt replaces
 * it. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import CopyToClipboard from "@cloudscape-design/components/copy-to-clipboard";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import { useEffect, useRef, useState } from "react";

import { ChangeModal } from "../shown/change-modal";
import { useLeaveGuard } from "../shown/leave-guard";
import { visible } from "../shown/visible";
import { areCodes, TwoCodes } from "./codes";
import { type Codes, give, make, type NewDevice, removeUnused } from "./devices";
import { deviceName, keyUri } from "./key-uri";
import { QrCode } from "./qr-code";

interface AddDeviceProps {
  user: string;
  /** A name that is probably free. */
  suggested: string;
  done: () => void;
  close: () => void;
}

export function AddDevice({ user, suggested, done, close }: AddDeviceProps) {
  const [made, setMade] = useState<NewDevice | null>(null);
  return made === null ? (
    <Name suggested={suggested} done={setMade} close={close} />
  ) : (
    <Register user={user} device={made} done={done} close={close} />
  );
}

function Name({ suggested, done, close }: { suggested: string; done: (made: NewDevice) => void; close: () => void }) {
  const [name, setName] = useState(suggested);
  const [unused, setUnused] = useState<string | null>(null);
  const here = useRef(true);
  useEffect(() => {
    here.current = true;
    return () => {
      here.current = false;
    };
  }, []);
  return (
    <ChangeModal
      title="Add an MFA device"
      verb={unused === null ? "Next" : "Replace it"}
      work={async () => {
        if (unused !== null) await removeUnused(unused);
        setUnused(null);
        const made = await make(name);
        if ("giveUp" in made && !here.current) void made.giveUp().catch(() => undefined); // nobody would see its secret
        return made;
      }}
      done={(made) => {
        if ("unused" in made) setUnused(made.unused);
        else done(made);
      }}
      close={close}
      incomplete={name === ""}
    >
      <FormField label="Device name" description="Letters, digits and +=,.@_-. It is part of the device’s ARN and cannot be changed.">
        <Input
          value={name}
          spellcheck={false}
          onChange={({ detail }) => {
            setName(detail.value);
            setUnused(null);
          }}
        />
      </FormField>
      {unused !== null && (
        <Alert type="warning" header="There is a device of this name that nobody uses">
          Somebody began to add it and did not finish. Its secret cannot be shown again. If you go on, it is deleted, and a new one is made.
        </Alert>
      )}
    </ChangeModal>
  );
}

const UNFINISHED = "The MFA device is not in use yet. Leave, and it is deleted?";

function Register({ user, device, done, close }: { user: string; device: NewDevice; done: () => void; close: () => void }) {
  const [codes, setCodes] = useState<Codes>(["", ""]);
  const [shown, show] = useState(false);
  const given = useRef(false);
  const here = useRef(true);
  useLeaveGuard(UNFINISHED);
  useEffect(() => {
    here.current = true;
    return () => {
      here.current = false;
      setTimeout(() => {
        // In development React takes each part away once and brings it back. If the deletion fails, the next attempt replaces it.
        if (!here.current && !given.current) void device.giveUp().catch(() => undefined);
      });
    };
  }, [device]);
  const name = deviceName(device.serial);
  return (
    <ChangeModal
      title="Scan the code"
      verb="Add MFA device"
      work={async () => {
        await give(user, device.serial, codes);
        given.current = true;
      }}
      done={done}
      close={close}
      incomplete={!areCodes(codes)}
    >
      <Box variant="p">
        Scan the code with an authenticator app: any that knows time-based one-time passwords (TOTP). It is shown this once.
      </Box>
      <QrCode text={keyUri(device.serial, device.secret)} label={`QR code of the MFA device ${visible(name)}`} />
      <Button variant="inline-link" formAction="none" onClick={() => show(!shown)}>
        {shown ? "Hide secret key" : "Show secret key"}
      </Button>
      {shown && (
        <FormField label="Secret key" description="For an app without a camera: time-based, six digits, 30 seconds.">
          <CopyToClipboard
            variant="inline"
            textToCopy={device.secret}
            textToDisplay={visible(device.secret)}
            copyButtonAriaLabel="Copy the secret key"
            copySuccessText="Copied"
            copyErrorText="The browser did not copy it"
          />
        </FormField>
      )}
      <TwoCodes codes={codes} change={setCodes} />
      <Box color="text-body-secondary" fontSize="body-s">
        Console sessions that began with the password of {visible(user)} end then. The next sign-in asks for a code.
      </Box>
    </ChangeModal>
  );
}
