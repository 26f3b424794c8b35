/** The calls that the page's filters and span leave, as a file. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Modal from "@cloudscape-design/components/modal";
import ProgressBar from "@cloudscape-design/components/progress-bar";
import RadioGroup from "@cloudscape-design/components/radio-group";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useEffect, useRef, useState } from "react";

import { endIfRefused } from "../session/refused";
import { current } from "../session/session";
import { useAnswer } from "../shown/answer";
import { type Fault, faultOf, isAbort } from "../shown/fault";
import { Problem } from "../shown/problem";
import { chosenSink, type Progress, save, sizeOf, writesToDisk } from "../shown/saved-file";
import { visible } from "../shown/visible";
import { v1 } from "../v1/client";
import type { filtersOf } from "./filters";
import { type Format, FORMATS } from "./formats";

type Wanted = ReturnType<typeof filtersOf> & { from?: string; to?: string; trail?: string; unanswered?: "false" };
type State =
  | { now: "choosing" }
  | { now: "writing"; progress: Progress }
  | { now: "written"; progress: Progress; name: string }
  | { now: "broken"; fault: Fault; progress: Progress };

const MANY = 200_000; // calls, some 200 MB of CSV
const DRAWN_EVERY = 200; // milliseconds
const NONE: Progress = { bytes: 0, lines: 0 };

export function Export({ wanted, close }: { wanted: Wanted; close: () => void }) {
  const [format, setFormat] = useState<Format>("csv");
  const [state, setState] = useState<State>({ now: "choosing" });
  const under = useRef<AbortController | null>(null);
  useEffect(() => () => under.current?.abort(), []);
  const [counted] = useAnswer(`to export ${JSON.stringify(wanted)}`, (signal) =>
    v1().get("/v1/decisions/counts", { query: { ...wanted, by: "effect", limit: 10 } as never }, signal),
  );
  const calls = counted.state === "there" ? counted.value.items.reduce((sum, each) => sum + each.calls, 0) : null;
  const { headings } = FORMATS[format];

  async function write(): Promise<void> {
    const name = `decisions-${new Date().toISOString().slice(0, 19).replace(/[-:]/g, "")}Z${FORMATS[format].ending}`;
    const sink = await chosenSink(name);
    if (sink === null) return;
    const leaving = new AbortController();
    const asked = current();
    under.current = leaving;
    let progress = NONE;
    let drawn = 0;
    setState({ now: "writing", progress });
    try {
      const query = { ...wanted, format } as never;
      const answer = await v1().file("/v1/decisions/export", { query }, leaving.signal);
      progress = await save(answer, sink, (so) => {
        progress = so;
        if (performance.now() - drawn < DRAWN_EVERY) return;
        drawn = performance.now();
        setState({ now: "writing", progress });
      });
      setState({ now: "written", progress, name });
    } catch (thrown) {
      await sink.giveUp().catch(() => undefined);
      if (leaving.signal.aborted || isAbort(thrown)) {
        setState({ now: "choosing" });
        return;
      }
      const fault = faultOf(thrown);
      endIfRefused(fault, asked);
      setState({ now: "broken", fault, progress });
    } finally {
      under.current = null;
    }
  }

  const busy = state.now === "writing";
  return (
    <Modal
      visible
      header="Export decisions"
      closeAriaLabel="Close"
      onDismiss={close}
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            {busy ? (
              <Button onClick={() => under.current?.abort()}>Stop</Button>
            ) : (
              <Button variant="link" onClick={close}>
                {state.now === "written" ? "Close" : "Cancel"}
              </Button>
            )}
            <Button variant="primary" loading={busy} onClick={() => void write()}>
              Export
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <SpaceBetween size="m">
        <Box variant="p">
          {calls === null ? "Counting the calls…" : `${calls.toLocaleString()} ${calls === 1 ? "call" : "calls"}`} with the
          filters and the span of this page, in the order of time.
        </Box>
        <RadioGroup
          ariaLabel="Format"
          value={format}
          onChange={({ detail }) => setFormat(detail.value as Format)}
          items={(Object.keys(FORMATS) as Format[]).map((value) => ({
            value,
            label: FORMATS[value].label,
            description: FORMATS[value].description,
            disabled: busy,
          }))}
        />
        {!writesToDisk() && calls !== null && calls > MANY && (
          <Alert type="info" header="This browser keeps the whole file in its memory until it is complete">
            Choose Parquet or a shorter span, or export with the command <code>keytrail decisions --export FILE</code>, which
            takes the same filters.
          </Alert>
        )}
        {busy && <Writing progress={state.progress} calls={calls} headings={headings} />}
        {state.now === "written" && (
          <Alert type="success" header={`${visible(state.name)} is complete`}>
            {headings !== null && `${(state.progress.lines - headings).toLocaleString()} calls, `}
            {sizeOf(state.progress.bytes)}.
          </Alert>
        )}
        {state.now === "broken" && <Broken fault={state.fault} progress={state.progress} />}
      </SpaceBetween>
    </Modal>
  );
}

function Writing({ progress, calls, headings }: { progress: Progress; calls: number | null; headings: number | null }) {
  const size = `${sizeOf(progress.bytes)} so far`;
  if (headings === null || calls === null || calls === 0) return <Box variant="p">{size}</Box>;
  const done = Math.max(0, progress.lines - headings);
  return (
    <ProgressBar
      label="Writing the file"
      value={Math.min(100, (100 * done) / calls)}
      additionalInfo={`${done.toLocaleString()} of ${calls.toLocaleString()} calls, ${size}`}
    />
  );
}

/** After the first bytes, an end that comes early is all that a browser sees of a failure. */
function Broken({ fault, progress }: { fault: Fault; progress: Progress }) {
  if (progress.bytes === 0) return <Problem fault={fault} />;
  return (
    <Alert type="error" header="The file was broken off, and is not kept">
      The server ended the answer after {sizeOf(progress.bytes)}. Export again: if it happens again, your permission may have
      ended, or the server’s log says why.
    </Alert>
  );
}
