/** The calls that the page's filters and span leave, as a file. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import ProgressBar from "@cloudscape-design/components/progress-bar";
import RadioGroup from "@cloudscape-design/components/radio-group";
import { useState } from "react";

import { useAnswer } from "../shown/answer";
import { nameWithTime, type Progress, sizeOf, writesToDisk } from "../shown/saved-file";
import { SavingModal, Size, useFileSaving } from "../shown/saving";
import { visible } from "../shown/visible";
import { v1 } from "../v1/client";
import { callsOf, callsWords } from "./counted-calls";
import type { filtersOf } from "./filters";
import { type Format, FORMATS } from "./formats";

type Wanted = ReturnType<typeof filtersOf> & { from?: string; to?: string; trail?: string; unanswered?: "false" };
const MANY = 200_000; // calls, some 200 MB of CSV

export function Export({ wanted, close }: { wanted: Wanted; close: () => void }) {
  const [format, setFormat] = useState<Format>("csv");
  const saving = useFileSaving();
  const [counted] = useAnswer(`to export ${JSON.stringify(wanted)}`, (signal) =>
    v1().get("/v1/decisions/counts", { query: { ...wanted, by: "effect", limit: 10 } as never }, signal),
  );
  const calls = callsOf(counted);
  const { headings } = FORMATS[format];

  const begin = (): void => {
    const query = { ...wanted, format } as never;
    void saving.start(nameWithTime("decisions", FORMATS[format].ending), (signal) => v1().file("/v1/decisions/export", { query }, signal));
  };
  return (
    <SavingModal
      title="Export decisions"
      verb="Export"
      saving={saving}
      begin={begin}
      close={close}
      writing={(progress) => <Writing progress={progress} calls={calls} headings={headings} />}
      written={({ lines, bytes }) => `${headings === null ? "" : `${(lines - headings).toLocaleString()} calls, `}${sizeOf(bytes)}.`}
    >
      <Box variant="p">{visible(callsWords(counted))}</Box>
      <RadioGroup
        ariaLabel="Format"
        value={format}
        onChange={({ detail }) => setFormat(detail.value as Format)}
        items={(Object.keys(FORMATS) as Format[]).map((value) => ({
          value,
          label: FORMATS[value].label,
          description: FORMATS[value].description,
          disabled: saving.state.now === "writing",
        }))}
      />
      {!writesToDisk() && calls !== null && calls > MANY && (
        <Alert type="info" header="This browser keeps the whole file in its memory until it is complete">
          Choose Parquet or a shorter span, or export with the command <code>keytrail decisions --export FILE</code>, which
          takes the same filters.
        </Alert>
      )}
    </SavingModal>
  );
}

function Writing({ progress, calls, headings }: { progress: Progress; calls: number | null; headings: number | null }) {
  if (headings === null || calls === null || calls === 0) return <Size {...progress} />;
  const done = Math.max(0, progress.lines - headings);
  return (
    <ProgressBar
      label="Writing the file"
      value={Math.min(100, (100 * done) / calls)}
      additionalInfo={`${done.toLocaleString()} of ${calls.toLocaleString()} calls, ${sizeOf(progress.bytes)} so far`}
    />
  );
}
