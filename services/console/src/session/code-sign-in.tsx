/** `keytrail console` opened this page with a one-time code. The page says who is signed in before it goes on: a code that
 * somebody else sent would sign the reader in as them. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Checkbox from "@cloudscape-design/components/checkbox";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import { useEffect, useState } from "react";

import { type Fault, faultOf } from "../shown/fault";
import { visible } from "../shown/visible";
import { redeemed } from "./exchange";
import { begin, type Session } from "./session";
import { endedAtKeytrail } from "./sign-out";
import { SignInPage } from "./sign-in-page";

type Redeeming = { state: "asked" } | { state: "there"; session: Session } | { state: "fault"; fault: Fault };

/** Each code is sent once, however often the page is drawn. What it gave is forgotten with the page. */
const sent = new Map<string, Promise<Session>>();

function once(code: string): Promise<Session> {
  const asked = sent.get(code) ?? redeemed(code);
  sent.set(code, asked);
  return asked;
}

export function CodeSignIn({ code, done: next }: { code: string; done: () => void }) {
  const [found, setFound] = useState<Redeeming>({ state: "asked" });
  const [keep, setKeep] = useState(false);
  useEffect(() => {
    once(code).then(
      (session) => setFound({ state: "there", session }),
      (thrown: unknown) => setFound({ state: "fault", fault: faultOf(thrown) }),
    );
  }, [code]);
  const done = () => {
    sent.delete(code);
    next();
  };

  return (
    <SignInPage>
      <Container header={<Header variant="h1">Sign in to Keytrail</Header>}>{shown(found, keep, setKeep, done)}</Container>
    </SignInPage>
  );
}

function shown(found: Redeeming, keep: boolean, setKeep: (keep: boolean) => void, done: () => void) {
  switch (found.state) {
    case "asked":
      return <Spinner size="large" />;
    case "fault":
      return (
        <SpaceBetween size="m">
          <Alert type="error" header={found.fault.title}>
            {visible(found.fault.message)}
          </Alert>
          <Button onClick={done}>Sign in another way</Button>
        </SpaceBetween>
      );
    case "there": {
      const { session } = found;
      return (
        <SpaceBetween size="m">
          <div>
            <Box variant="awsui-key-label">You are about to work as</Box>
            <Box variant="code">{visible(session.identity.arn)}</Box>
          </div>
          {session.identity.root && (
            <Alert type="warning">This is the root user, whom no policy limits. Use it to make users, and work as one of them.</Alert>
          )}
          <Checkbox
            checked={keep}
            onChange={({ detail }) => setKeep(detail.checked)}
            description="Tabs that you open are signed in, too. Otherwise a reload of the page ends the session here."
          >
            Keep me signed in until this tab closes
          </Checkbox>
          <SpaceBetween direction="horizontal" size="xs">
            <Button
              variant="primary"
              onClick={() => {
                begin(session, keep);
                done();
              }}
            >
              Continue
            </Button>
            <Button
              onClick={() => {
                void endedAtKeytrail(session);
                done();
              }}
            >
              This is not me
            </Button>
          </SpaceBetween>
        </SpaceBetween>
      );
    }
  }
}
