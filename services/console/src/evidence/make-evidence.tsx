/** Every record about a key or a principal, each with its proof, as one file. */

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Checkbox from "@cloudscape-design/components/checkbox";
import FormField from "@cloudscape-design/components/form-field";
import { useState } from "react";

import { useSession } from "../session/session";
import { nameWithTime, sizeOf } from "../shown/saved-file";
import { SavingModal, useFileSaving } from "../shown/saving";
import type { Span } from "../shown/span";
import { SpanPicker } from "../shown/span-picker";
import { v1 } from "../v1/client";
import { type EvidenceAbout, evidenceQuery, LAST_MONTH } from "./query";

export function MakeEvidence({ about }: { about: EvidenceAbout }) {
  const [asking, ask] = useState(false);
  if (useSession()?.transparencyLog !== true) return null; // without such a log nothing can be proven
  return (
    <>
      <Button onClick={() => ask(true)}>Make evidence…</Button>
      {asking && <Package about={about} close={() => ask(false)} />}
    </>
  );
}

function Package({ about, close }: { about: EvidenceAbout; close: () => void }) {
  const saving = useFileSaving();
  const [span, setSpan] = useState<Span | null>(LAST_MONTH);
  const [whole, setWhole] = useState(false);
  const session = useSession();
  const begin = (): void => {
    const query = evidenceQuery(about, span, whole, Date.now());
    void saving.start(nameWithTime("evidence", ".zip"), (signal) => v1().file("/v1/evidence", { query }, signal));
  };
  return (
    <SavingModal
      title="Make evidence"
      verb="Save"
      saving={saving}
      begin={begin}
      close={close}
      written={({ bytes }) => (
        <>
          {sizeOf(bytes)}. Its <code>report.html</code> is for people. The one who gets it checks it offline with{" "}
          <code>keytrail verify-evidence</code>, or with the <code>verify.py</code> of a release. They need the log's key (
          <code>/log/key</code>) from somebody whom they trust.
        </>
      )}
    >
      <Box variant="p">
        A file with every record about this {"key" in about ? "key" : "principal"}, each with its proof. It proves that these records
        stand in the transparency log and were not changed since; it does not prove that there are no others.
      </Box>
      <FormField label="Span">
        <SpanPicker span={span} onChange={setSpan} />
      </FormField>
      {session?.firstAccount === true && (
        <Checkbox
          checked={whole}
          onChange={({ detail }) => setWhole(detail.checked)}
          description="Then anybody can count the records of the span. It reveals how many calls all accounts made in that time."
        >
          With every leaf of the span
        </Checkbox>
      )}
    </SavingModal>
  );
}
