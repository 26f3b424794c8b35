/** Registers an OpenID Connect provider. */

import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import Textarea from "@cloudscape-design/components/textarea";
import { useState } from "react";

import { ChangeModal } from "../shown/change-modal";
import { areThumbprints, isIssuer, listed, thumbprints } from "./names";
import { register } from "./providers";

export function NewProvider({ done, close }: { done: (arn: string) => void; close: () => void }) {
  const [url, setUrl] = useState("https://");
  const [audiences, setAudiences] = useState("");
  const [prints, setPrints] = useState("");
  const right = isIssuer(url.trim());
  const given = thumbprints(prints);
  return (
    <ChangeModal
      title="Add a provider"
      verb="Add"
      work={() => register(url.trim(), listed(audiences), given)}
      done={done}
      close={close}
      incomplete={!right || listed(audiences).length === 0 || !areThumbprints(given)}
    >
      <FormField
        label="Provider URL"
        description="The issuer of its tokens (iss). Keytrail reads its keys below it, from .well-known/openid-configuration."
        errorText={url.length > 8 && !right ? "Type an https:// address without a query." : null}
      >
        <Input value={url} spellcheck={false} inputMode="url" onChange={({ detail }) => setUrl(detail.value)} />
      </FormField>
      <FormField label="Audiences" description="Client IDs for which tokens are made (aud), one in each line.">
        <Textarea value={audiences} rows={2} spellcheck={false} onChange={({ detail }) => setAudiences(detail.value)} />
      </FormField>
      <FormField
        label="Thumbprints (optional)"
        description="SHA-1 of a certificate of the provider, in hex, one in each line."
        errorText={areThumbprints(given) ? null : "A thumbprint has 40 hexadecimal digits."}
      >
        <Textarea value={prints} rows={2} spellcheck={false} onChange={({ detail }) => setPrints(detail.value)} />
      </FormField>
    </ChangeModal>
  );
}
