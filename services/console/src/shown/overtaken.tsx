/** What is replaced whole may have been replaced by somebody else since its author read it. IAM has no conditional put, so it is read
 * again just before; what is put between the two is still replaced unseen. */

import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import SpaceBetween from "@cloudscape-design/components/space-between";
import type { ReactNode } from "react";

/** `put`, if what `ask` finds is what the change began from. Otherwise nothing is put, and the result says what is there now. */
export async function unlessOvertaken<T>(base: T, ask: () => Promise<T>, put: () => Promise<unknown>): Promise<{ now: T } | null> {
  const now = await ask();
  if (JSON.stringify(now) !== JSON.stringify(base)) return { now };
  await put();
  return null;
}

interface OvertakenProps {
  /** "the policy" */
  what: string;
  /** Go on with one's own, which then replaces what is there now. */
  keep: () => void;
  /** Give one's own up for what is there now. */
  take: () => void;
  /** What the other change did. */
  children: ReactNode;
}

export function Overtaken({ what, keep, take, children }: OvertakenProps) {
  return (
    <Alert type="warning" header={`Somebody else changed ${what} since you began`}>
      <SpaceBetween size="s">
        <span>Nothing of yours was put. This is what the other change did:</span>
        {children}
        <SpaceBetween direction="horizontal" size="xs">
          <Button formAction="none" onClick={keep}>
            Keep mine, to replace it
          </Button>
          <Button formAction="none" onClick={take}>
            Begin from the new one
          </Button>
        </SpaceBetween>
      </SpaceBetween>
    </Alert>
  );
}
