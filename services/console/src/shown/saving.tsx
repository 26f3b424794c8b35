/** A file that is saved while it comes: the dialog for it, how far it is, and how it ended. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Modal from "@cloudscape-design/components/modal";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { type ReactNode, useEffect, useRef, useState } from "react";

import { endIfRefused } from "../session/refused";
import { current } from "../session/session";
import { type Fault, faultOf, isAbort } from "./fault";
import { Problem } from "./problem";
import { chosenSink, type Progress, save, type Sink, sizeOf } from "./saved-file";
import { visible } from "./visible";

export type Saving =
  | { now: "choosing" }
  | { now: "writing"; progress: Progress }
  | { now: "written"; progress: Progress; name: string }
  | { now: "broken"; fault: Fault; progress: Progress };

type Asking = (signal: AbortSignal) => Promise<Response>;

export interface FileSaving {
  state: Saving;
  /** Has to be called by the click itself: the browser asks where to save the file. */
  start: (name: string, ask: Asking) => Promise<void>;
  stop: () => void;
}

const DRAWN_EVERY = 200; // milliseconds
const NONE: Progress = { bytes: 0, lines: 0 };

export function useFileSaving(): FileSaving {
  const [state, setState] = useState<Saving>({ now: "choosing" });
  const under = useRef<AbortController | null>(null);
  useEffect(() => () => under.current?.abort(), []);

  async function start(name: string, ask: Asking): Promise<void> {
    if (under.current !== null) return; // a second click, while the browser asks where to save the file
    const leaving = new AbortController();
    under.current = leaving;
    try {
      const sink = await chosenSink(name);
      if (sink === null) return;
      if (leaving.signal.aborted) await sink.giveUp();
      else await write(name, sink, ask, leaving);
    } finally {
      under.current = null;
    }
  }

  async function write(name: string, sink: Sink, ask: Asking, leaving: AbortController): Promise<void> {
    const asked = current();
    let progress = NONE;
    let drawn = 0;
    setState({ now: "writing", progress });
    try {
      progress = await save(await ask(leaving.signal), sink, (so) => {
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
    }
  }

  return { state, start, stop: () => under.current?.abort() };
}

interface SavingModalProps {
  title: string;
  verb: string;
  saving: FileSaving;
  begin: () => void;
  close: () => void;
  /** What is shown while the file comes; its size, if nothing better is known. */
  writing?: (progress: Progress) => ReactNode;
  /** What is said of a file that is complete. */
  written: (progress: Progress) => ReactNode;
  children: ReactNode;
}

export function SavingModal({ title, verb, saving, begin, close, writing = Size, written, children }: SavingModalProps) {
  const { state, stop } = saving;
  const busy = state.now === "writing";
  return (
    <Modal
      visible
      header={title}
      closeAriaLabel="Close"
      onDismiss={({ detail }) => {
        // To leave ends the request, and what has come is thrown away: a slip would do that to a file of an hour. "Stop" does it.
        if (detail.reason !== "overlay" && !busy) close();
      }}
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            {busy ? (
              <Button onClick={stop}>Stop</Button>
            ) : (
              <Button variant="link" onClick={close}>
                {state.now === "written" ? "Close" : "Cancel"}
              </Button>
            )}
            <Button variant="primary" loading={busy} onClick={begin}>
              {verb}
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <SpaceBetween size="m">
        {children}
        {busy && writing(state.progress)}
        {state.now === "written" && (
          <Alert type="success" header={`${visible(state.name)} is complete`}>
            {written(state.progress)}
          </Alert>
        )}
        {state.now === "broken" && <Broken fault={state.fault} progress={state.progress} verb={verb} />}
      </SpaceBetween>
    </Modal>
  );
}

export function Size({ bytes }: Progress) {
  return <Box variant="p">{sizeOf(bytes)} so far</Box>;
}

/** After the first bytes, an end that comes early is all that a browser sees of a failure. */
function Broken({ fault, progress, verb }: { fault: Fault; progress: Progress; verb: string }) {
  if (progress.bytes === 0) return <Problem fault={fault} />;
  return (
    <Alert type="error" header="The file was broken off, and is not kept">
      The server ended the answer after {sizeOf(progress.bytes)}. {verb} again: if it happens again, your permission may have
      ended, or the server’s log says why.
    </Alert>
  );
}
