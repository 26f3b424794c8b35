/** One change, asked for in a dialog: what it needs, a button that makes it, and what the server said if it did not. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Modal from "@cloudscape-design/components/modal";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { type ReactNode, useId } from "react";

import { useAct } from "./act";
import { type Fault, isUnanswered } from "./fault";
import { Problem } from "./problem";

export interface ChangeModalProps<T> {
  title: string;
  /** What the button says. */
  verb: string;
  work: () => Promise<T>;
  done: (made: T) => void;
  close: () => void;
  /** Something is still missing: the button waits for it. */
  incomplete?: boolean;
  /** What there is to say about a failure besides the server's words. Without it, of a call without an answer: it may be done. */
  note?: (fault: Fault) => ReactNode;
  children: ReactNode;
}

export function ChangeModal<T>({ title, verb, work, done, close, incomplete = false, note, children }: ChangeModalProps<T>) {
  const act = useAct();
  const form = useId();
  return (
    <Modal
      visible
      header={title}
      closeAriaLabel="Close"
      onDismiss={({ detail }) => {
        // A slip beside the dialog would lose what was typed; under way, nobody would see what became of the change.
        if (detail.reason !== "overlay" && !act.busy) close();
      }}
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="link" onClick={close} disabled={act.busy}>
              Cancel
            </Button>
            <Button variant="primary" form={form} formAction="submit" loading={act.busy} disabled={incomplete}>
              {verb}
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <form
        id={form}
        onSubmit={(event) => {
          event.preventDefault();
          if (!incomplete) act.run(work, done);
        }}
      >
        <SpaceBetween size="m">
          {children}
          {act.fault !== null && <Problem fault={act.fault} />}
          {act.fault !== null && (note?.(act.fault) || (isUnanswered(act.fault) && <MayBeDone />))}
        </SpaceBetween>
      </form>
    </Modal>
  );
}

function MayBeDone() {
  return <Alert type="warning">It may have been done all the same. Look before you try again.</Alert>;
}
