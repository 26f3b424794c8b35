/** Around both views of a policy: whether it is a draft, what PutKeyPolicy would say of it, and the way to its review. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import type { ReactNode } from "react";

import { visible } from "../shown/visible";
import { type DraftCheck, useDraftCheck } from "./check";
import type { PlacedFault } from "./editor";
import type { OpenedPolicy } from "./review";

interface DraftViewProps {
  keyId: string;
  opened: OpenedPolicy;
  text: string;
  /** The version that the draft began from; null: there is no draft. */
  began: number | null;
  readOnly: boolean;
  onReview: () => void;
  onDiscard: () => void;
  children: (fault: PlacedFault | null) => ReactNode;
}

export function DraftView({ keyId, opened, text, began, readOnly, onReview, onDiscard, children }: DraftViewProps) {
  const check = useDraftCheck(keyId, text);
  const changed = began !== null;
  const fault = check?.fault ?? null;
  return (
    <SpaceBetween size="s">
      <Header
        variant="h2"
        description={changed ? `A draft that began from version ${began}. It is kept in this tab.` : `Version ${opened.version}, in force.`}
        actions={
          !readOnly && (
            <SpaceBetween direction="horizontal" size="xs">
              <Button onClick={onDiscard} disabled={!changed}>
                Discard the draft
              </Button>
              <Button variant="primary" onClick={onReview} disabled={!changed || fault !== null}>
                Review the change
              </Button>
            </SpaceBetween>
          )
        }
      >
        Key policy
      </Header>
      {readOnly && <Alert type="info">This key is managed by a service, which keeps its policy. It cannot be replaced.</Alert>}
      {changed && began !== opened.version && (
        <Alert type="warning">
          Version {opened.version} is in force, but your draft began from version {began}. The review says what changed meanwhile.
        </Alert>
      )}
      {changed && <Verdict check={check} />}
      {children(fault)}
    </SpaceBetween>
  );
}

function Verdict({ check }: { check: DraftCheck | null }) {
  return (
    <div aria-live="polite">
      {check === null ? (
        <Box color="text-body-secondary">Checking the policy</Box>
      ) : check.fault !== null ? (
        <StatusIndicator type="error">
          {visible(check.fault.message)} (line {check.fault.row + 1}, column {check.fault.column + 1})
        </StatusIndicator>
      ) : check.lockedOut ? (
        <StatusIndicator type="warning">This policy locks you out: you could not replace it again.</StatusIndicator>
      ) : (
        <StatusIndicator type="success">KMS would take this policy.</StatusIndicator>
      )}
    </div>
  );
}
