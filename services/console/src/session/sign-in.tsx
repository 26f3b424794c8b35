/** The page before a session: by name and password, or by an access key. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { Time } from "../shown/time";
import { clockWords } from "./clock";
import { KeySignIn } from "./key-sign-in";
import { IDLE_MINUTES } from "./last-use";
import { PasswordSignIn } from "./password-sign-in";
import { ProviderButtons } from "./provider-buttons";
import { type Ended, whyEnded } from "./session";
import { SignInPage } from "./sign-in-page";
import { useFarewell } from "./sign-out";

const WHY: Record<Ended, string | null> = {
  never: null,
  ended: "Your console session is over: it was signed out, in another tab or by somebody who has its credential. Sign in to go on where you were.",
  "signed out": "You are signed out, here and in your other tabs. This browser has forgotten your credential.",
  elsewhere: "You signed out in another tab. This one has forgotten your credential, too.",
  idle: `You were signed out, because nothing happened here for ${IDLE_MINUTES} minutes.`,
  altered: `Keytrail computed another signature than this page, for a credential that it made itself. So a proxy between the two changes requests. It must pass them on as they are, with Host: ${location.host}.`,
  expired: "Your console session is over: its time is up. Sign in to go on where you were.",
  clock: null,
  changed: "Your console session is over, because your password or an MFA device of yours was changed. Sign in to go on where you were.",
  refused: "Your credential is no longer accepted. It expired, or somebody revoked it. Sign in to go on where you were.",
};

/** What Keytrail says to the sign-out. */
function Goodbye() {
  const farewell = useFarewell();
  if (farewell === null) return null;
  if (farewell === "ended") return <Alert type="success">Keytrail has ended your session: nobody can use a copy of your credential.</Alert>;
  return (
    <Alert type="warning" header="Keytrail did not end your session">
      Somebody who copied its credential could use it until <Time at={farewell.until} />. If that may be, change your password or
      deactivate the access key that you signed in with.
    </Alert>
  );
}

const WAYS = ["password", "key"] as const;
type Way = (typeof WAYS)[number];
const NAMES: Record<Way, string> = { password: "Sign in with a password", key: "Sign in with an access key" };

/** The way in which somebody signed in last, in this tab: the next sign-in begins with it. */
let last: Way = "password";

export function SignIn() {
  const [way, setWay] = useState<Way>(last);
  const [told, setTold] = useState(false);
  const why = whyEnded();
  const ended = why === "clock" ? clockWords() : WHY[why];
  const arrived = () => setTold(true);
  return (
    <SignInPage>
      <SpaceBetween size="m">
        <Container header={<Header variant="h1">Sign in to Keytrail</Header>}>
          <SpaceBetween size="m">
            {ended !== null && !told && <Alert type="info">{ended}</Alert>}
            {(why === "signed out" || why === "elsewhere") && !told && <Goodbye />}
            {way === "password" ? <PasswordSignIn arrived={arrived} /> : <KeySignIn arrived={arrived} />}
          </SpaceBetween>
        </Container>
        <ProviderButtons />
        <Box textAlign="center">
          {WAYS.filter((each) => each !== way).map((each) => (
            <Button
              key={each}
              onClick={() => {
                last = each;
                setWay(each);
              }}
            >
              {NAMES[each]}
            </Button>
          ))}
        </Box>
      </SpaceBetween>
    </SignInPage>
  );
}
