import { GetPublicKeyCommand } from "@aws-sdk/client-kms";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import CopyToClipboard from "@cloudscape-design/components/copy-to-clipboard";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";

import { kms } from "../../aws";
import { useAnswer } from "../../shown/answer";
import { DocumentText } from "../../shown/document";
import { Problem } from "../../shown/problem";
import { download } from "../../shown/download";
import type { TabProps } from "./facts";
import { pem } from "./pem";

export function PublicKeyTab({ name, facts }: TabProps) {
  // A key's public half never changes, so the past has the same one.
  const [answer, again] = useAnswer(`public key ${name}`, async (signal) => {
    const found = await (await kms()).send(new GetPublicKeyCommand({ KeyId: name }), { abortSignal: signal });
    return pem("PUBLIC KEY", found.PublicKey ?? new Uint8Array());
  });
  const text = answer.value;
  return (
    <SpaceBetween size="m">
      {answer.state === "fault" && <Problem fault={answer.fault} again={again} />}
      <Container
        header={
          <Header
            variant="h2"
            description="Anybody who has it can encrypt or verify outside of Keytrail. It is not secret."
            actions={
              text !== null && (
                <SpaceBetween direction="horizontal" size="xs">
                  <CopyToClipboard
                    textToCopy={text}
                    copyButtonText="Copy"
                    copyButtonAriaLabel="Copy the public key"
                    copySuccessText="Copied"
                    copyErrorText="The browser did not copy it"
                  />
                  <Button iconName="download" onClick={() => download(`${facts?.id ?? "key"}.pem`, text)}>
                    Download
                  </Button>
                </SpaceBetween>
              )
            }
          >
            Public key
          </Header>
        }
      >
        {text !== null ? <DocumentText document={text} label="The public key as PEM" /> : answer.state === "loading" ? <Spinner /> : "–"}
      </Container>
    </SpaceBetween>
  );
}
