/** A new password, shown this once with everything that its user needs to sign in. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import CopyToClipboard from "@cloudscape-design/components/copy-to-clipboard";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import Modal from "@cloudscape-design/components/modal";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { BASE } from "../router";
import { current } from "../session/session";
import { download } from "../shown/download";
import { useLeaveGuard } from "../shown/leave-guard";
import { visible } from "../shown/visible";
import { csvOf } from "./csv";

const LOSS = "The new password is shown this once. Leave, and nobody can see it again?";

export function ShownPassword({ user, password, close }: { user: string; password: string; close: () => void }) {
  useLeaveGuard(LOSS);
  const account = current()?.identity.account ?? "";
  const url = `${location.origin}${BASE}/`;
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
      header="The new password"
      onDismiss={({ detail }) => {
        if (detail.reason !== "overlay" && detail.reason !== "keyboard") close(); // a slip would lose the password
      }}
      closeAriaLabel="Close"
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button onClick={() => download(`${user}_credentials.csv`, csvOf(user, password, url))}>Download .csv file</Button>
            <Button variant="primary" onClick={close}>
              Done
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <SpaceBetween size="m">
        <Alert type="warning">This is the only time that the password can be seen. Keytrail cannot show it again.</Alert>
        <KeyValuePairs
          items={[
            { label: "Sign-in page", value: copied("address of the sign-in page", url) },
            { label: "Account", value: copied("account", account) },
            { label: "User name", value: copied("user name", user) },
            { label: "Password", value: copied("password", password) },
          ]}
        />
      </SpaceBetween>
    </Modal>
  );
}
