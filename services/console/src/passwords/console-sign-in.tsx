/** Whether a user can sign in to the console with a password; an administrator gives one, changes it and takes it away. */

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import { useState } from "react";

import { useAnswer } from "../shown/answer";
import { ChangeModal } from "../shown/change-modal";
import { Problem } from "../shown/problem";
import { Time } from "../shown/time";
import { visible } from "../shown/visible";
import { NARROWEST } from "../shown/widths";
import { loginOf, takePassword } from "./logins";
import { SetPassword } from "./set-password";
import { ShownPassword } from "./shown-password";

export function ConsoleSignIn({ user }: { user: string }) {
  const [answer, again] = useAnswer(`login of ${user}`, (signal) => loginOf(user, signal));
  const [asking, ask] = useState<"set" | "remove" | null>(null);
  const [made, setMade] = useState<string | null>(null);
  if (answer.state === "fault" && (answer.value === null || answer.fault.kind === "refused")) return <Problem fault={answer.fault} again={again} />;
  const login = answer.value?.login ?? null;
  const close = () => ask(null);
  const done = () => {
    close();
    again();
  };
  return (
    <>
      <Container
        header={
          <Header
            variant="h2"
            actions={
              <SpaceBetween direction="horizontal" size="xs">
                <Button disabled={answer.value === null} onClick={() => ask("set")}>
                  {login === null ? "Give a password" : "Change the password"}
                </Button>
                {login !== null && (
                  <Button ariaLabel="Remove the password" onClick={() => ask("remove")}>
                    Remove
                  </Button>
                )}
              </SpaceBetween>
            }
          >
            Console sign-in
          </Header>
        }
      >
        {answer.value === null ? (
          <Spinner />
        ) : login === null ? (
          <Box color="text-body-secondary">This user has no password.</Box>
        ) : (
          <KeyValuePairs
            minColumnWidth={NARROWEST}
            columns={3}
            items={[
              { label: "Password", value: "Set" },
              { label: "First given", value: <Time at={login.CreateDate} /> },
              { label: "Must be replaced at the next sign-in", value: login.PasswordResetRequired === true ? "Yes" : "No" },
            ]}
          />
        )}
      </Container>
      {asking === "set" && (
        <SetPassword
          user={user}
          has={login !== null}
          resetRequired={login?.PasswordResetRequired === true}
          close={done} // if an answer was lost, it may have been done
          done={(password) => {
            setMade(password);
            close();
            // Whose own password it was has no session any more: to ask now would lead to the sign-in, and the only copy be gone.
            if (password === null) again();
          }}
        />
      )}
      {asking === "remove" && (
        <ChangeModal title="Remove the password" verb="Remove" work={() => takePassword(user)} done={done} close={close}>
          <Box variant="p">
            {visible(user)} can no longer sign in with a password, and console sessions that began with it end at once. Access keys stay.
          </Box>
        </ChangeModal>
      )}
      {made !== null && (
        <ShownPassword
          user={user}
          password={made}
          close={() => {
            setMade(null);
            again();
          }}
        />
      )}
    </>
  );
}
