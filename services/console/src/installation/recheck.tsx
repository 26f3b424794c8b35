/** Decides every logged decision again, with its progress. Leaving the page ends it. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import ProgressBar from "@cloudscape-design/components/progress-bar";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useEffect, useRef, useState } from "react";

import { DocumentText } from "../shown/document";
import { type Fault, faultOf, isAbort } from "../shown/fault";
import { Problem } from "../shown/problem";
import { v1 } from "../v1/client";

interface Result {
  decisions: number;
  mismatches: number;
  explained?: unknown[];
}

type Line = { done?: number; of?: number; result?: Result };

export function Recheck() {
  const [progress, setProgress] = useState<{ done: number; of: number } | null>(null);
  const [result, setResult] = useState<Result | null>(null);
  const [fault, setFault] = useState<Fault | null>(null);
  const leaving = useRef<AbortController | null>(null);
  useEffect(() => () => leaving.current?.abort(), []);
  const running = progress !== null && result === null && fault === null;

  const run = async () => {
    leaving.current?.abort();
    const ends = new AbortController();
    leaving.current = ends;
    setProgress({ done: 0, of: 0 });
    setResult(null);
    setFault(null);
    try {
      for await (const line of v1().lines("get", "/v1/recheck", {}, ends.signal)) {
        const { done, of, result: found } = line as unknown as Line;
        if (done !== undefined) setProgress({ done, of: of ?? 0 });
        if (found !== undefined) setResult(found);
      }
    } catch (thrown) {
      if (!isAbort(thrown)) setFault(faultOf(thrown));
    }
  };

  return (
    <Container
      header={
        <Header
          variant="h2"
          description="Every logged decision is decided again on the state that it was decided on."
          actions={
            <Button loading={running} onClick={() => void run()}>
              Recheck decisions
            </Button>
          }
        >
          Recheck
        </Header>
      }
    >
      <SpaceBetween size="s">
        {fault !== null && <Problem fault={fault} />}
        {running && (
          <ProgressBar
            label="Decisions decided again"
            value={progress.of === 0 ? 0 : (100 * progress.done) / progress.of}
            additionalInfo={`${progress.done} of ${progress.of}`}
          />
        )}
        {result !== null && (
          <Alert type={result.mismatches === 0 ? "success" : "error"}>
            {result.decisions} decisions were decided again; {result.mismatches} came out differently.
          </Alert>
        )}
        {result !== null && result.mismatches > 0 && <DocumentText document={result.explained ?? []} label="Decisions that came out differently" />}
        {progress === null && <Box color="text-body-secondary">Not run since this page was opened.</Box>}
      </SpaceBetween>
    </Container>
  );
}
