/** Signing in with a user's name and password; then, if Keytrail asks for them, a new password and a code of the MFA device. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Checkbox from "@cloudscape-design/components/checkbox";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { rememberAccount, rememberedAccount } from "../preferences";
import { type Fault, faultOf, isUnanswered } from "../shown/fault";
import { visible } from "../shown/visible";
import { signedIn } from "./exchange";
import { after, type Given, isInClear, NOTHING, type Step } from "./password-steps";
import { begin } from "./session";
import { KeepSignedIn } from "./keep-signed-in";
import { SignInFault } from "./sign-in-fault";

const REQUIRED = "Type it to sign in.";
const VERBS: Record<Step, string> = { password: "Sign in", "new password": "Go on", code: "Sign in" };

/** `arrived` is called once the user has begun: why the former session ended is old news then. */
export function PasswordSignIn({ arrived }: { arrived: () => void }) {
  const [step, setStep] = useState<Step>("password");
  const [given, setGiven] = useState<Given>(() => ({ ...NOTHING, account: rememberedAccount() }));
  const [again, setAgain] = useState(""); // the new password, typed twice
  const [remember, setRemember] = useState(given.account !== "");
  const [keep, setKeep] = useState(false);
  const [busy, setBusy] = useState(false);
  const [missing, setMissing] = useState(false);
  const [fault, setFault] = useState<Fault | null>(null);
  const [attempt, setAttempt] = useState(0); // each begins at the first field
  const [maybeChanged, setMaybeChanged] = useState(false);
  const inClear = isInClear(location.protocol, location.hostname);
  const change = (to: Partial<Given>) => setGiven((before) => ({ ...before, ...to }));

  function isWhole(): boolean {
    switch (step) {
      case "password":
        return given.account.trim() !== "" && given.user.trim() !== "" && given.password !== "";
      case "new password":
        return given.newPassword !== "" && given.newPassword === again;
      case "code":
        return given.code !== "";
    }
  }

  async function send() {
    setMissing(!isWhole());
    if (!isWhole() || busy || inClear) return;
    setBusy(true);
    setFault(null);
    setMaybeChanged(false);
    arrived();
    try {
      const session = await signedIn(given);
      rememberAccount(remember ? given.account.trim() : "");
      begin(session, keep);
    } catch (thrown) {
      const found = faultOf(thrown);
      const next = after(step, given, found);
      setMaybeChanged(given.newPassword !== "" && isUnanswered(found) && next.step === "password");
      setStep(next.step);
      setGiven(next.given);
      setAgain("");
      setFault(next.fault);
      setMissing(false);
      setBusy(false);
      setAttempt(attempt + 1);
    }
  }

  function startOver() {
    setStep("password");
    setGiven({ ...given, password: "", newPassword: "", code: "" });
    setFault(null);
    setMissing(false);
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
        {maybeChanged && (
          <Alert type="warning" header="Your password may be the new one already">
            Keytrail’s answer did not arrive. Try the new password first.
          </Alert>
        )}
        {inClear && (
          <Alert type="warning" header="A password would cross the network in clear">
            Keytrail takes passwords over TLS, or from the machine that it runs on. Open this page by its https:// address, or sign in with
            an access key, whose secret is never sent.
          </Alert>
        )}
        {step === "password" && (
          <SpaceBetween key={attempt} size="m">
            <FormField label="Account ID or account alias" errorText={missing && given.account.trim() === "" ? REQUIRED : null}>
              <Input
                value={given.account}
                onChange={({ detail }) => change({ account: detail.value })}
                spellcheck={false}
                autoFocus={given.account === ""}
                name="account"
                autoComplete="organization"
              />
            </FormField>
            <FormField label="IAM user name" errorText={missing && given.user.trim() === "" ? REQUIRED : null}>
              <Input
                value={given.user}
                onChange={({ detail }) => change({ user: detail.value })}
                spellcheck={false}
                autoFocus={given.account !== "" && given.user === ""}
                name="username"
                autoComplete="username"
              />
            </FormField>
            <FormField label="Password" errorText={missing && given.password === "" ? REQUIRED : null}>
              <Input
                value={given.password}
                onChange={({ detail }) => change({ password: detail.value })}
                type="password"
                autoFocus={given.user !== ""}
                name="password"
                autoComplete="current-password"
              />
            </FormField>
            <Checkbox checked={remember} onChange={({ detail }) => setRemember(detail.checked)}>
              Remember this account on this computer
            </Checkbox>
            <KeepSignedIn keep={keep} change={setKeep} />
          </SpaceBetween>
        )}
        {step === "new password" && (
          <SpaceBetween key={attempt} size="m">
            <Box variant="p">The password of {visible(given.user)} has to be replaced before you go on.</Box>
            <FormField label="New password" errorText={missing && given.newPassword === "" ? REQUIRED : null}>
              <Input
                value={given.newPassword}
                onChange={({ detail }) => change({ newPassword: detail.value })}
                type="password"
                autoFocus
                name="new-password"
                autoComplete="new-password"
              />
            </FormField>
            <FormField label="New password again" errorText={missing && given.newPassword !== again ? "The two are not the same." : null}>
              <Input
                value={again}
                onChange={({ detail }) => setAgain(detail.value)}
                type="password"
                name="new-password-again"
                autoComplete="new-password"
              />
            </FormField>
          </SpaceBetween>
        )}
        {step === "code" && (
          <FormField
            key={attempt}
            label="MFA code"
            description={`The six digits that the MFA device of ${visible(given.user)} shows now.`}
            errorText={missing ? REQUIRED : null}
          >
            <Input
              value={given.code}
              onChange={({ detail }) => change({ code: detail.value.replace(/\s/g, "") })}
              inputMode="numeric"
              autoFocus
              name="code"
              autoComplete="one-time-code"
            />
          </FormField>
        )}
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            {step !== "password" && (
              <Button variant="link" formAction="none" onClick={startOver}>
                Start over
              </Button>
            )}
            <Button variant="primary" formAction="submit" loading={busy} disabled={inClear}>
              {VERBS[step]}
            </Button>
          </SpaceBetween>
        </Box>
      </SpaceBetween>
    </form>
  );
}
