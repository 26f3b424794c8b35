/** Signing in with an access key, which signs one request and is forgotten. */

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { type Fault, faultOf } from "../shown/fault";
import { exchanged } from "./exchange";
import { KeepSignedIn } from "./keep-signed-in";
import { begin, type Credential } from "./session";
import { SignInFault } from "./sign-in-fault";

const REQUIRED = "Type it as it was given to you.";

/** `arrived` is called once the user has begun: why the former session ended is old news then. */
export function KeySignIn({ arrived }: { arrived: () => void }) {
  const [accessKeyId, setAccessKeyId] = useState("");
  const [secret, setSecret] = useState("");
  const [token, setToken] = useState("");
  const [region, setRegion] = useState("us-east-1");
  const [keep, setKeep] = useState(false);
  const [busy, setBusy] = useState(false);
  const [missing, setMissing] = useState(false);
  const [fault, setFault] = useState<Fault | null>(null);
  const [more, setMore] = useState(false);

  async function send() {
    if (accessKeyId.trim() === "" || secret.trim() === "") {
      setMissing(true);
      return;
    }
    setBusy(true);
    setFault(null);
    arrived();
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

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <SpaceBetween size="m">
        {fault !== null && <SignInFault fault={fault} />}
        <FormField label="Access key ID" errorText={missing && accessKeyId.trim() === "" ? REQUIRED : null}>
          <Input
            value={accessKeyId}
            onChange={({ detail }) => setAccessKeyId(detail.value)}
            autoComplete={false}
            spellcheck={false}
            autoFocus
            name="access-key-id"
          />
        </FormField>
        <FormField label="Secret access key" errorText={missing && secret.trim() === "" ? REQUIRED : null}>
          <Input
            value={secret}
            onChange={({ detail }) => setSecret(detail.value)}
            type="password"
            autoComplete={false}
            name="secret-access-key"
          />
        </FormField>
        <ExpandableSection headerText="Session token and region" expanded={more} onChange={({ detail }) => setMore(detail.expanded)}>
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
        <KeepSignedIn keep={keep} change={setKeep} />
        <Box color="text-body-secondary" fontSize="body-s">
          Your secret signs one request in this browser and is never sent. The answer is a console session of at most 12 hours; then
          this page forgets your access key.
        </Box>
        <Box float="right">
          <Button variant="primary" formAction="submit" loading={busy}>
            Sign in
          </Button>
        </Box>
      </SpaceBetween>
    </form>
  );
}
