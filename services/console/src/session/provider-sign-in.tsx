/** The browser is back from a provider. Its code becomes a proof of who signed in; with it, the user begins a session of a role. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import RadioGroup from "@cloudscape-design/components/radio-group";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import { useEffect, useState } from "react";

import { type Fault, faultOf } from "../shown/fault";
import { visible } from "../shown/visible";
import type { AnswerOf } from "../v1/client";
import type { Answered } from "./begun-sign-in";
import { provenBy, signedInAs } from "./exchange";
import { KeepSignedIn } from "./keep-signed-in";
import { type Begun, mismatch } from "./provider-steps";
import { begin } from "./session";
import { SignInFault } from "./sign-in-fault";
import { SignInPage } from "./sign-in-page";

type Proven = AnswerOf<"/v1/console/provider-codes", "post">;

/** Each code is sent once, however often the page is drawn. What it proved is forgotten with the page. */
const sent = new Map<string, Promise<Proven>>();

function once(begun: Begun, code: string): Promise<Proven> {
  const asked = sent.get(code) ?? provenBy(begun, code);
  sent.set(code, asked);
  return asked;
}

export default function ProviderSignIn({ answered: { returned, begun }, done: next }: { answered: Answered; done: () => void }) {
  const wrong = mismatch(begun, returned) ?? (returned.code === null ? `The provider signed nobody in: ${returned.error}` : null);
  const [proven, setProven] = useState<Proven | null>(null);
  const [fault, setFault] = useState<Fault | null>(null);
  useEffect(() => {
    if (wrong !== null || begun === null || returned.code === null) return;
    once(begun, returned.code).then(setProven, (thrown: unknown) => setFault(faultOf(thrown)));
  }, [wrong, begun, returned]);
  const done = () => {
    if (returned.code !== null) sent.delete(returned.code);
    next();
  };
  return (
    <SignInPage>
      <Container header={<Header variant="h1">Sign in to Keytrail</Header>}>
        {wrong !== null || fault !== null ? (
          <SpaceBetween size="m">
            {fault !== null ? <SignInFault fault={fault} /> : <Alert type="error" header="You are not signed in">{visible(wrong ?? "")}</Alert>}
            <Button onClick={done}>Sign in again</Button>
          </SpaceBetween>
        ) : proven === null ? (
          <Spinner size="large" />
        ) : (
          <ChooseRole proven={proven} provider={begun?.provider ?? ""} done={done} />
        )}
      </Container>
    </SignInPage>
  );
}

function ChooseRole({ proven, provider, done }: { proven: Proven; provider: string; done: () => void }) {
  const roles = proven.roles as unknown as readonly { arn: string; name: string }[];
  const [role, choose] = useState(roles[0]?.arn ?? "");
  const [keep, setKeep] = useState(false);
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState<Fault | null>(null);

  async function send() {
    setBusy(true);
    setFault(null);
    try {
      begin(await signedInAs(proven.proof, role), keep);
      done();
    } catch (thrown) {
      setFault(faultOf(thrown));
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
        <div>
          <Box variant="awsui-key-label">You are, by {visible(provider)}</Box>
          <Box variant="code">{visible(proven.subject)}</Box>
        </div>
        {roles.length === 0 ? (
          <Alert type="warning" header="No role lets you in">
            No role of account {visible(proven.account)} trusts this provider’s token for you. An administrator can change a role’s trust
            policy.
          </Alert>
        ) : (
          <SpaceBetween size="m">
            <div>
              <Box variant="awsui-key-label">Work as the role</Box>
              <RadioGroup
                ariaLabel="Work as the role"
                value={role}
                onChange={({ detail }) => choose(detail.value)}
                items={roles.map((each) => ({ value: each.arn, label: visible(each.name), description: visible(each.arn) }))}
              />
            </div>
            <KeepSignedIn keep={keep} change={setKeep} />
          </SpaceBetween>
        )}
        <SpaceBetween direction="horizontal" size="xs">
          {roles.length > 0 && (
            <Button variant="primary" formAction="submit" loading={busy}>
              Continue
            </Button>
          )}
          <Button formAction="none" onClick={done}>
            Sign in another way
          </Button>
        </SpaceBetween>
      </SpaceBetween>
    </form>
  );
}
