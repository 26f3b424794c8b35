import { ImportKeyMaterialCommand } from "@aws-sdk/client-kms";
import Checkbox from "@cloudscape-design/components/checkbox";
import FileUpload from "@cloudscape-design/components/file-upload";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import RadioGroup from "@cloudscape-design/components/radio-group";
import { useState } from "react";

import { kms } from "../../aws";
import { ChangeModal } from "../../shown/change-modal";
import { visible } from "../../shown/visible";
import type { KeyFacts } from "./facts";

const MOST_BYTES = 6144; // KMS API reference, ImportKeyMaterial: both are at most this long

interface UploadProps {
  name: string;
  facts: KeyFacts | null;
  close: () => void;
  done: (notice: string) => void;
}

async function bytesOf(files: readonly File[]): Promise<Uint8Array> {
  const [file] = files;
  return file === undefined ? new Uint8Array() : new Uint8Array(await file.arrayBuffer());
}

export function UploadMaterial({ name, facts, close, done }: UploadProps) {
  const [material, setMaterial] = useState<readonly File[]>([]);
  const [token, setToken] = useState<readonly File[]>([]);
  const [expires, setExpires] = useState(false);
  const [until, setUntil] = useState("");
  const [kind, setKind] = useState("EXISTING_KEY_MATERIAL");
  const date = new Date(`${until}:00Z`);
  const dated = !Number.isNaN(date.getTime());
  const symmetric = facts?.spec === "SYMMETRIC_DEFAULT";
  const long = [...material, ...token].find((file) => file.size > MOST_BYTES);

  async function upload() {
    const command = new ImportKeyMaterialCommand({
      KeyId: name,
      EncryptedKeyMaterial: await bytesOf(material),
      ImportToken: await bytesOf(token),
      ...(expires ? { ExpirationModel: "KEY_MATERIAL_EXPIRES", ValidTo: date } : { ExpirationModel: "KEY_MATERIAL_DOES_NOT_EXPIRE" }),
      ...(symmetric && kind === "NEW_KEY_MATERIAL" ? { ImportType: kind } : {}),
    });
    return (await kms()).send(command);
  }

  return (
    <ChangeModal
      title="Upload wrapped key material"
      verb="Upload"
      close={close}
      incomplete={material.length === 0 || token.length === 0 || long !== undefined || (expires && !dated)}
      work={upload}
      done={() => done("The key material is imported.")}
    >
      <FormField
        label="Wrapped key material"
        description="Your key material, encrypted under the wrapping public key. Never upload it in the clear."
        errorText={long === undefined ? null : `${visible(long.name)} is longer than ${MOST_BYTES} bytes: it is neither of the two.`}
      >
        <FileUpload
          value={material}
          showFileSize
          ariaRequired
          i18nStrings={{ uploadButtonText: () => "Choose the wrapped material", removeFileAriaLabel: () => "Remove the file" }}
          onChange={({ detail }) => setMaterial(detail.value)}
        />
      </FormField>
      <FormField label="Import token" description="The token that came with that wrapping public key.">
        <FileUpload
          value={token}
          showFileSize
          ariaRequired
          i18nStrings={{ uploadButtonText: () => "Choose the import token", removeFileAriaLabel: () => "Remove the file" }}
          onChange={({ detail }) => setToken(detail.value)}
        />
      </FormField>
      {symmetric && facts.state !== "PendingImport" && (
        <FormField label="This material is">
          <RadioGroup
            value={kind}
            items={[
              { value: "EXISTING_KEY_MATERIAL", label: "One that this key had before" },
              { value: "NEW_KEY_MATERIAL", label: "New: it waits until the key is rotated" },
            ]}
            onChange={({ detail }) => setKind(detail.value)}
          />
        </FormField>
      )}
      <Checkbox checked={expires} onChange={({ detail }) => setExpires(detail.checked)}>
        The material expires
      </Checkbox>
      {expires && (
        <FormField label="Expires at (UTC)" constraintText="YYYY-MM-DDThh:mm" errorText={until === "" || dated ? null : "Type it as 2027-01-31T18:00."}>
          <Input value={until} placeholder="2027-01-31T18:00" onChange={({ detail }) => setUntil(detail.value.trim())} />
        </FormField>
      )}
    </ChangeModal>
  );
}
