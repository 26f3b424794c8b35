/** A long question with its button, its progress and what came of it. */

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import ProgressBar from "@cloudscape-design/components/progress-bar";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import type { ReactNode } from "react";

import { Problem } from "../shown/problem";
import { visible } from "../shown/visible";
import { type LongRun, percent } from "./long-run";

interface RunPanelProps<R> {
  title: string;
  description: string;
  button: string;
  /** What the progress bar is called. */
  counts: string;
  run: LongRun<R>;
  onStart: () => void;
  onStop: () => void;
  /** Fields that belong to the question. */
  asked?: ReactNode;
  shown: (result: R) => ReactNode;
}

export function RunPanel<R>({ title, description, button, counts, run, onStart, onStop, asked, shown }: RunPanelProps<R>) {
  const running = run.state === "running";
  const { step, done, of } = run.progress;
  // A bar that stands at 0 % says that nothing is done; how much there is to do is not known yet.
  const sentence = step === "" ? "Starting" : visible(`${step.charAt(0).toUpperCase()}${step.slice(1)}`);
  return (
    <Container
      header={
        <Header
          variant="h2"
          description={description}
          actions={
            <SpaceBetween direction="horizontal" size="xs">
              {running && <Button onClick={onStop}>Stop</Button>}
              <Button loading={running} loadingText={`${title} is running`} onClick={onStart}>
                {button}
              </Button>
            </SpaceBetween>
          }
        >
          {title}
        </Header>
      }
    >
      <SpaceBetween size="m">
        {asked}
        {run.fault !== null && <Problem fault={run.fault} />}
        {running && (of === 0 ? (
          <StatusIndicator type="loading">{`${counts}: ${sentence}`}</StatusIndicator>
        ) : (
          <ProgressBar
            label={counts}
            description={sentence}
            value={percent(run.progress)}
            additionalInfo={`${done.toLocaleString("en")} of ${of.toLocaleString("en")}`}
          />
        ))}
        {run.result !== null && shown(run.result)}
        {run.state === "not run" && <Box color="text-body-secondary">Not run since this page was opened.</Box>}
        {run.state === "stopped" && <Box color="text-body-secondary">Stopped before it ended.</Box>}
      </SpaceBetween>
    </Container>
  );
}
