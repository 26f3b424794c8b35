/** Decides every logged decision again, and says which come out differently. */

import Alert from "@cloudscape-design/components/alert";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { DocumentText } from "../shown/document";
import { visible } from "../shown/visible";
import { v1 } from "../v1/client";
import { useLongRun } from "./long-run";
import { RunPanel } from "./run-panel";

interface Rechecked {
  decisions: number;
  mismatches: number;
  explained?: unknown[];
  /** null for an installation without a transparency log */
  leaves: { not_leaves: number; without_row: number; named: string[] } | null;
}

export function Recheck() {
  const [run, start, stop] = useLongRun<Rechecked>((signal) => v1().lines("get", "/v1/recheck", {}, signal));
  return (
    <RunPanel
      title="Recheck"
      description="Makes every logged decision again, on the state that it was made on, and compares."
      button="Recheck decisions"
      counts="Decisions made again"
      run={run}
      onStart={start}
      onStop={stop}
      shown={({ decisions, mismatches, explained, leaves }) => (
        <SpaceBetween size="s">
          <Alert type={mismatches === 0 ? "success" : "error"}>
            {decisions.toLocaleString("en")} decisions were made again; {mismatches.toLocaleString("en")} came out differently.
          </Alert>
          {leaves !== null && leaves.named.length > 0 && (
            <Alert type="error" header="Decisions in Postgres and leaves of the transparency log do not agree">
              <ul>
                {leaves.named.map((each) => (
                  <li key={each}>{visible(each)}</li>
                ))}
              </ul>
            </Alert>
          )}
          {mismatches > 0 && <DocumentText document={explained ?? []} label="Decisions that came out differently" />}
        </SpaceBetween>
      )}
    />
  );
}
