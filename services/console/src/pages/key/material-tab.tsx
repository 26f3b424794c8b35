/** The key's material comes from its owner: wrapped outside of this browser, under a key that Keytrail gives. */

import { DeleteImportedKeyMaterialCommand } from "@aws-sdk/client-kms";
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { kms } from "../../aws";
import { ChangeModal } from "../../shown/change-modal";
import { Time } from "../../shown/time";
import { visible } from "../../shown/visible";
import type { TabProps } from "./facts";
import { KeyState } from "./state";
import { UploadMaterial } from "./upload-material";
import { WrappingParameters } from "./wrapping-parameters";

type Doing = "parameters" | "upload" | "delete";

export function MaterialTab({ name, facts, changed }: TabProps) {
  const [doing, setDoing] = useState<Doing | null>(null);
  const close = () => setDoing(null);
  const done = (notice: string) => {
    close();
    changed(notice);
  };
  const waits = facts?.state === "PendingImport";
  return (
    <SpaceBetween size="m">
      {waits && (
        <Alert type="info" header="This key has no material yet">
          Download the wrapping parameters, wrap your key material with them, then upload it. Until then the key cannot be used.
        </Alert>
      )}
      <Container
        header={
          <Header
            variant="h2"
            actions={
              <SpaceBetween direction="horizontal" size="xs">
                {!waits && <Button onClick={() => setDoing("delete")}>Delete material</Button>}
                <Button onClick={() => setDoing("parameters")}>Get parameters</Button>
                <Button variant={waits ? "primary" : "normal"} onClick={() => setDoing("upload")}>
                  Upload material
                </Button>
              </SpaceBetween>
            }
          >
            Imported key material
          </Header>
        }
      >
        <KeyValuePairs
          columns={3}
          items={[
            { label: "Status", value: facts === null ? "–" : <KeyState state={facts.state} /> },
            { label: "Expires", value: facts === null || waits ? "–" : facts.validTo === undefined ? "Never" : <Time at={facts.validTo} /> },
            { label: "Key material ID", value: visible(facts?.material ?? "") || "–" },
          ]}
        />
      </Container>
      {doing === "parameters" && <WrappingParameters name={name} facts={facts} close={close} />}
      {doing === "upload" && <UploadMaterial name={name} facts={facts} close={close} done={done} />}
      {doing === "delete" && (
        <ChangeModal
          title="Delete the imported material"
          verb="Delete material"
          close={close}
          work={async () => (await kms()).send(new DeleteImportedKeyMaterialCommand({ KeyId: name }))}
          done={() => done("The key material is deleted. The key cannot be used until the same material is imported again.")}
        >
          <Box variant="p">
            The key stays, without its material: nobody can use it until you import the same material again. Keep your own copy of it.
          </Box>
        </ChangeModal>
      )}
    </SpaceBetween>
  );
}
