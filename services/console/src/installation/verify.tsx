/** Verifies every record and table of the installation. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import CopyToClipboard from "@cloudscape-design/components/copy-to-clipboard";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import { useState } from "react";

import { visible } from "../shown/visible";
import { v1 } from "../v1/client";
import { useLongRun } from "./long-run";
import { RunPanel } from "./run-panel";
import styles from "./verify.module.css";
import { faultOfHead, findings, type Verified } from "./verified";

export function Verify() {
  const [head, setHead] = useState("");
  const [checked, setChecked] = useState(false);
  const fault = checked ? faultOfHead(head) : "";
  const [run, start, stop] = useLongRun<Verified>((signal) =>
    v1().lines("get", "/v1/verify", { query: head === "" ? {} : { expect: head } }, signal),
  );
  const begin = (): void => {
    setChecked(true);
    if (faultOfHead(head) === "") start();
  };
  return (
    <RunPanel
      title="Verify"
      description="Reads every record of every topic, then makes the tables again beside the live ones and compares every row."
      button="Verify everything"
      counts="Verification"
      run={run}
      onStart={begin}
      onStop={stop}
      asked={
        <FormField
          label="A head that you noted earlier (optional)"
          description="The log must still contain it. Without one, nobody can tell whether the end of the log was cut off."
          errorText={fault}
        >
          <Input value={head} placeholder="position:digest" spellcheck={false} onChange={({ detail }) => setHead(detail.value.trim())} />
        </FormField>
      }
      shown={(found) => <Found found={found} />}
    />
  );
}

function Found({ found }: { found: Verified }) {
  const head = `${found.position}:${found.head}`;
  return (
    <SpaceBetween size="s">
      <Alert type={found.whole ? "success" : "error"} header={found.whole ? "Everything is whole" : "Not everything is whole"}>
        {found.head !== "" && (
          <>
            Note this head down outside Keytrail, and give it here the next time:{" "}
            <CopyToClipboard variant="inline" textToCopy={head} textToDisplay={visible(head)} copyButtonAriaLabel="Copy the head" copySuccessText="Copied" copyErrorText="Not copied" />
          </>
        )}
      </Alert>
      <ul className={styles["found"]} aria-label="What was found">
        {findings(found).map(({ type, text }) => (
          <li key={text}>
            <StatusIndicator type={type} wrapText>
              {visible(text)}
            </StatusIndicator>
          </li>
        ))}
      </ul>
      <Box color="text-body-secondary" fontSize="body-s">
        What differing rows say is shown on the host alone, by <Box variant="code">keytrail verify</Box>: they may be another account&apos;s.
      </Box>
    </SpaceBetween>
  );
}
