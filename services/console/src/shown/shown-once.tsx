/** A new secret, shown this once with what it is used with. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import CopyToClipboard from "@cloudscape-design/components/copy-to-clipboard";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import Modal from "@cloudscape-design/components/modal";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { download } from "./download";
import { visible } from "./visible";

export interface ShownMember {
  label: string;
  /** What its button copies, in the middle of a sentence. */
  copies: string;
  text: string;
}

interface ShownOnceProps {
  header: string;
  /** What is seen this once, with its article. */
  secret: string;
  members: ShownMember[];
  file: { name: string; text: string };
  close: () => void;
}

export function ShownOnce({ header, secret, members, file, close }: ShownOnceProps) {
  return (
    <Modal
      visible
      header={header}
      onDismiss={({ detail }) => {
        if (detail.reason !== "overlay" && detail.reason !== "keyboard") close(); // a slip would lose the secret
      }}
      closeAriaLabel="Close"
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button onClick={() => download(file.name, file.text)}>Download .csv file</Button>
            <Button variant="primary" onClick={close}>
              Done
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <SpaceBetween size="m">
        <Alert type="warning">{`This is the only time that ${secret} can be seen. Keytrail cannot show it again.`}</Alert>
        <KeyValuePairs
          items={members.map(({ label, copies, text }) => ({
            label,
            value: (
              <CopyToClipboard
                variant="inline"
                textToCopy={text}
                textToDisplay={visible(text)}
                copyButtonAriaLabel={`Copy the ${visible(copies)}`}
                copySuccessText="Copied"
                copyErrorText="The browser did not copy it"
              />
            ),
          }))}
        />
      </SpaceBetween>
    </Modal>
  );
}
