/** The session of the role ended by itself. The user says how to go on, so that no click that was meant for the role is made by
 * somebody else. The URL stays, and leads to the same page. */

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useEffect } from "react";

import { useAct } from "../shown/act";
import { visible } from "../shown/visible";
import { watchSession } from "./idle";
import { RefusedRole } from "./refused-role";
import { shownName } from "./role";
import { type Lost, type Session, signOut, switchBack } from "./session";
import { SignInPage } from "./sign-in-page";
import { assume } from "./switching";

export default function RoleLost({ lost: { role, why }, first }: { lost: Lost; first: Session }) {
  const act = useAct();
  useEffect(() => watchSession(), []);
  const name = visible(first.identity.arn.split(/[:/]/).at(-1) ?? "");
  return (
    <SignInPage>
      <Container header={<Header variant="h1">The session of the role is over</Header>}>
        <SpaceBetween size="m">
          <Box variant="p">
            {why === "expired"
              ? `The time of ${visible(shownName(role))} is up.`
              : `Keytrail no longer takes the credential of ${visible(shownName(role))}. Its time is up, or somebody deleted the role.`}{" "}
            You are still signed in as {name}. Choose how to go on where you were.
          </Box>
          {act.fault !== null && <RefusedRole fault={act.fault} />}
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="primary" loading={act.busy} onClick={() => act.run(() => assume(role))}>
              Switch to the role again
            </Button>
            <Button onClick={switchBack}>Go on as {name}</Button>
            <Button variant="link" onClick={() => signOut()}>
              Sign out
            </Button>
          </SpaceBetween>
        </SpaceBetween>
      </Container>
    </SignInPage>
  );
}
