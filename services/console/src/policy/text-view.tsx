/** The policy view: the text in an editor, with completion and AWS's validation in place. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import { lazy, Suspense } from "react";

import { useAnswer } from "../shown/answer";
import { visible } from "../shown/visible";
import { v1 } from "../v1/client";
import { Waiting } from "./alerts-raised";
import { useDraftCheck } from "./check";
import type { OpenedPolicy } from "./review";

const Editor = lazy(() => import("./editor"));

interface TextViewProps {
  keyId: string;
  opened: OpenedPolicy;
  text: string;
  /** The version that the draft began from; null: there is no draft. */
  began: number | null;
  onText: (text: string) => void;
  onReview: () => void;
  onDiscard: () => void;
}

export function TextView({ keyId, opened, text, began, onText, onReview, onDiscard }: TextViewProps) {
  const check = useDraftCheck(keyId, text);
  const [words] = useAnswer("policy words", (signal) => v1().get("/v1/policy-words", {}, signal));
  const changed = began !== null;
  const fault = check?.fault ?? null;
  return (
    <SpaceBetween size="s">
      <Header
        variant="h2"
        description={changed ? `A draft that began from version ${began}. It is kept in this tab.` : `Version ${opened.version}, in force.`}
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <Button onClick={onDiscard} disabled={!changed}>
              Discard the draft
            </Button>
            <Button variant="primary" onClick={onReview} disabled={!changed || fault !== null}>
              Review the change
            </Button>
          </SpaceBetween>
        }
      >
        Key policy
      </Header>
      {changed && began !== opened.version && (
        <Alert type="warning">
          Version {opened.version} is in force, but your draft began from version {began}. The review says what changed meanwhile.
        </Alert>
      )}
      <Suspense fallback={<Waiting text="Loading the editor" />}>
        <Editor text={text} onText={onText} fault={fault} words={words.value as never} />
      </Suspense>
      <div aria-live="polite">
        {fault !== null ? (
          <StatusIndicator type="error">
            {visible(fault.message)} (line {fault.row + 1}, column {fault.column + 1})
          </StatusIndicator>
        ) : check === null ? (
          <Box color="text-body-secondary">Checking the policy</Box>
        ) : check.lockedOut ? (
          <StatusIndicator type="warning">This policy locks you out: you could not replace it again.</StatusIndicator>
        ) : (
          <StatusIndicator type="success">KMS would take this policy.</StatusIndicator>
        )}
      </div>
      <Box color="text-body-secondary" fontSize="body-s">
        Control+Space offers actions, condition operators and condition keys. Escape leaves the editor for the next control.
      </Box>
    </SpaceBetween>
  );
}
