import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Checkbox from "@cloudscape-design/components/checkbox";
import Container from "@cloudscape-design/components/container";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import Form from "@cloudscape-design/components/form";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { type Fault, faultOf, isClock, isMismatch } from "../shown/fault";
import { visible } from "../shown/visible";
import { clockWords } from "./clock";
import { exchanged } from "./exchange";
import { IDLE_MINUTES } from "./idle";
import { begin, type Credential, type Ended, whyEnded } from "./session";
import { SignInPage } from "./sign-in-page";

const WHY: Record<Ended, string | null> = {
  never: null,
  "signed out": "You are signed out, here and in your other tabs. This browser has forgotten your credential.",
  elsewhere: "You signed out in another tab. This one has forgotten your credential, too.",
  idle: `You were signed out, because nothing happened here for ${IDLE_MINUTES} minutes.`,
  altered: `Keytrail computed another signature than this page, for a credential that it made itself. So a proxy between the two changes requests. It must pass them on as they are, with Host: ${location.host}.`,
  expired: "Your console session is over: its time is up. Sign in to go on where you were.",
  clock: null,
  refused: "Your credential is no longer accepted. It expired, or somebody revoked it. Sign in to go on where you were.",
};

export function SignIn() {
  const [accessKeyId, setAccessKeyId] = useState("");
  const [secret, setSecret] = useState("");
  const [token, setToken] = useState("");
  const [region, setRegion] = useState("us-east-1");
  const [keep, setKeep] = useState(false);
  const [busy, setBusy] = useState(false);
  const [missing, setMissing] = useState(false);
  const [fault, setFault] = useState<Fault | null>(null);
  const [more, setMore] = useState(false);
  const why = whyEnded();
  const ended = why === "clock" ? clockWords() : WHY[why];

  async function send() {
    if (accessKeyId.trim() === "" || secret.trim() === "") {
      setMissing(true);
      return;
    }
    setBusy(true);
    setFault(null);
    const credential: Credential = { accessKeyId: accessKeyId.trim(), secretAccessKey: secret.trim() };
    if (token.trim() !== "") credential.sessionToken = token.trim();
    try {
      begin(await exchanged(credential, region.trim()), keep);
    } catch (thrown) {
      const found = faultOf(thrown);
      setFault(found);
      setMore(more || found.message.includes("region"));
      setBusy(false);
    }
  }

  const required = "Type it as it was given to you.";
  return (
    <SignInPage>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        <Form actions={<Button variant="primary" formAction="submit" loading={busy}>Sign in</Button>}>
          <Container header={<Header variant="h1">Sign in to Keytrail</Header>}>
            <SpaceBetween size="m">
              {ended !== null && fault === null && <Alert type="info">{ended}</Alert>}
              {fault !== null && (
                <Alert type="error" header={fault.title}>
                  {isClock(fault) ? clockWords() : visible(fault.message)}
                  {isMismatch(fault) &&
                    ` If the secret is right, a proxy changes requests on their way: it must pass them on with Host: ${visible(location.host)}.`}
                </Alert>
              )}
              <FormField label="Access key ID" errorText={missing && accessKeyId.trim() === "" ? required : null}>
                <Input
                  value={accessKeyId}
                  onChange={({ detail }) => setAccessKeyId(detail.value)}
                  autoComplete={false}
                  spellcheck={false}
                  autoFocus
                  name="access-key-id"
                />
              </FormField>
              <FormField label="Secret access key" errorText={missing && secret.trim() === "" ? required : null}>
                <Input
                  value={secret}
                  onChange={({ detail }) => setSecret(detail.value)}
                  type="password"
                  autoComplete={false}
                  name="secret-access-key"
                />
              </FormField>
              <ExpandableSection
                headerText="Session token and region"
                expanded={more}
                onChange={({ detail }) => setMore(detail.expanded)}
              >
                <SpaceBetween size="m">
                  <FormField label="Session token" description="Only for temporary credentials.">
                    <Input
                      value={token}
                      onChange={({ detail }) => setToken(detail.value)}
                      type="password"
                      autoComplete={false}
                      name="session-token"
                    />
                  </FormField>
                  <FormField label="Region" description="The region of this installation (KEYTRAIL_REGION).">
                    <Input value={region} onChange={({ detail }) => setRegion(detail.value)} name="region" />
                  </FormField>
                </SpaceBetween>
              </ExpandableSection>
              <Checkbox
                checked={keep}
                onChange={({ detail }) => setKeep(detail.checked)}
                description="Tabs that you open are signed in, too. Otherwise a reload asks for it again."
              >
                Keep me signed in until this tab closes
              </Checkbox>
              <Box color="text-body-secondary" fontSize="body-s">
                Your secret signs one request in this browser and is never sent. The answer is a console session of at most 12 hours;
                then this page forgets your access key. Passwords, one-time passwords and single sign-on are to come.
              </Box>
            </SpaceBetween>
          </Container>
        </Form>
      </form>
    </SignInPage>
  );
}
