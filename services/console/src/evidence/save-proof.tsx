/** The record of one call with its proof, as a file. */

import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";

import { useSession } from "../session/session";
import { Problem } from "../shown/problem";
import { sizeOf } from "../shown/saved-file";
import type { FileSaving } from "../shown/saving";
import { visible } from "../shown/visible";
import { v1 } from "../v1/client";
import { written } from "./canonical";

export function SaveProof({ call, saving }: { call: string; saving: FileSaving }) {
  if (useSession()?.transparencyLog !== true) return null;
  const asked = async (signal: AbortSignal): Promise<Response> =>
    new Response(written(await v1().get("/v1/proofs/{call}", { path: { call } }, signal)));
  return (
    <Button loading={saving.state.now === "writing"} onClick={() => void saving.start(`proof-${call}.json`, asked)}>
      Save proof
    </Button>
  );
}

/** What became of the file. */
export function ProofSaved({ saving: { state } }: { saving: FileSaving }) {
  if (state.now === "broken") return <Problem fault={state.fault} />;
  if (state.now !== "written") return null;
  return (
    <Alert type="success" header={`${visible(state.name)} is complete`}>
      {sizeOf(state.progress.bytes)}: the record and its proof. The one who gets it checks it offline with <code>keytrail verify-evidence</code>
      and the log's key (<code>/log/key</code>), best from somebody whom they trust. It proves that the record stands in the transparency log and was not changed since.
    </Alert>
  );
}
