import { type AlgorithmSpec, GetParametersForImportCommand, type WrappingKeySpec } from "@aws-sdk/client-kms";
import Alert from "@cloudscape-design/components/alert";
import FormField from "@cloudscape-design/components/form-field";
import Select from "@cloudscape-design/components/select";
import { useState } from "react";

import { kms } from "../../aws";
import { ChangeModal } from "../../shown/change-modal";
import { Time } from "../../shown/time";
import { download } from "../../shown/download";
import type { KeyFacts } from "./facts";

const SPECS: readonly WrappingKeySpec[] = ["RSA_4096", "RSA_3072", "RSA_2048"];
const KEY_WRAP: readonly AlgorithmSpec[] = ["RSA_AES_KEY_WRAP_SHA_256", "RSA_AES_KEY_WRAP_SHA_1"];
const OAEP: readonly AlgorithmSpec[] = ["RSAES_OAEP_SHA_256", "RSAES_OAEP_SHA_1"];

function options<T extends string>(values: readonly T[]): { value: T; label: T }[] {
  return values.map((value) => ({ value, label: value }));
}

/** The public key to wrap with and the import token that belongs to it, as two files: what `aws kms get-parameters-for-import`
 * gives, decoded. */
export function WrappingParameters({ name, facts, close }: { name: string; facts: KeyFacts | null; close: () => void }) {
  const algorithms = options(facts?.spec.startsWith("RSA_") === true ? KEY_WRAP : [...OAEP, ...KEY_WRAP]); // an RSA key is too long for OAEP
  const specs = options(SPECS);
  const [algorithm, setAlgorithm] = useState(algorithms[0]?.value ?? "RSAES_OAEP_SHA_256");
  const [spec, setSpec] = useState<WrappingKeySpec>("RSA_4096");
  const [until, setUntil] = useState<Date | null>(null);
  const called = `${facts?.id.slice(0, 8) ?? "key"}-${algorithm}`;
  return (
    <ChangeModal
      title="Get the parameters for an import"
      verb="Download"
      close={close}
      work={async () =>
        (await kms()).send(new GetParametersForImportCommand({ KeyId: name, WrappingAlgorithm: algorithm, WrappingKeySpec: spec }))
      }
      done={(made) => {
        download(`${called}-WrappingPublicKey.bin`, made.PublicKey ?? new Uint8Array());
        download(`${called}-ImportToken.bin`, made.ImportToken ?? new Uint8Array());
        setUntil(made.ParametersValidTo ?? null);
      }}
    >
      <FormField label="Wrapping algorithm" description="How you encrypt your key material before you upload it.">
        <Select
          selectedOption={algorithms.find((each) => each.value === algorithm) ?? null}
          options={algorithms}
          onChange={({ detail }) => setAlgorithm(detail.selectedOption.value as AlgorithmSpec)}
        />
      </FormField>
      <FormField label="Wrapping key spec">
        <Select
          selectedOption={specs.find((each) => each.value === spec) ?? null}
          options={specs}
          onChange={({ detail }) => setSpec(detail.selectedOption.value as WrappingKeySpec)}
        />
      </FormField>
      {until !== null && (
        <Alert type="success" header="Two files were downloaded">
          The wrapping public key (DER) and the import token. They can be used until <Time at={until} />, and only together.
        </Alert>
      )}
    </ChangeModal>
  );
}
