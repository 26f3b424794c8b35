/** One's own password: whether there is one, and changing it. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import { useState } from "react";

import { useAnswer } from "../shown/answer";
import { ChangeModal } from "../shown/change-modal";
import { isUnanswered } from "../shown/fault";
import { leaveNotice } from "../shown/notice";
import { Time } from "../shown/time";
import { visible } from "../shown/visible";
import { askedRules } from "./asked-rules";
import { AskedOfPasswords } from "./asked-of-passwords";
import { InClear, isHereInClear } from "./in-clear";
import { changeOwn, loginOf } from "./logins";

export function OwnPassword({ user }: { user: string }) {
  const [answer, again] = useAnswer(`own login ${user}`, (signal) => loginOf(user, signal));
  const [changing, change] = useState(false);
  const none = answer.value?.login === null;
  return (
    <>
      <Container
        header={
          <Header
            variant="h2"
            actions={
              <Button disabled={none || answer.state === "loading"} onClick={() => change(true)}>
                Change password
              </Button>
            }
          >
            Password
          </Header>
        }
      >
        {none && <Box color="text-body-secondary">You have no password. An administrator can give you one.</Box>}
        {answer.value?.login != null && (
          <>
            You have had a password since <Time at={answer.value.login.CreateDate} />.
          </>
        )}
        {answer.state === "fault" && (
          <Box color="text-body-secondary">Whether you have a password is not known here: {visible(answer.fault.message)}</Box>
        )}
      </Container>
      {changing && (
        <Change
          close={() => change(false)}
          done={() => {
            change(false);
            leaveNotice({ text: "Your password is changed." });
            again(); // a session that began with the former password is over now
          }}
        />
      )}
    </>
  );
}

function Change({ done, close }: { done: () => void; close: () => void }) {
  const [old, setOld] = useState("");
  const [fresh, setFresh] = useState("");
  const [same, setSame] = useState("");
  const [answer] = useAnswer("password rules", askedRules);
  const inClear = isHereInClear();
  return (
    <ChangeModal
      title="Change password"
      verb="Change password"
      work={() => changeOwn(old, fresh)}
      done={done}
      close={close}
      incomplete={inClear || old === "" || fresh === "" || fresh !== same}
      note={(fault) => isUnanswered(fault) && <Alert type="warning">Your password may be the new one already. Try it first.</Alert>}
    >
      {inClear && <InClear />}
      <FormField label="Current password">
        <Input value={old} type="password" autoComplete="current-password" onChange={({ detail }) => setOld(detail.value)} />
      </FormField>
      <FormField label="New password">
        <Input value={fresh} type="password" autoComplete="new-password" onChange={({ detail }) => setFresh(detail.value)} />
      </FormField>
      <FormField label="New password again" errorText={same !== "" && fresh !== same ? "The two are not the same." : null}>
        <Input value={same} type="password" autoComplete="new-password" onChange={({ detail }) => setSame(detail.value)} />
      </FormField>
      <AskedOfPasswords found={answer.value} />
      <Box color="text-body-secondary" fontSize="body-s">
        Console sessions that began with your password end then. Sign in again with the new one.
      </Box>
    </ChangeModal>
  );
}
