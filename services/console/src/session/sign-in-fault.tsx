/** Why a sign-in was refused or failed. */

import Alert from "@cloudscape-design/components/alert";

import { type Fault, isClock, isMismatch } from "../shown/fault";
import { visible } from "../shown/visible";
import { clockWords } from "./clock";

const TITLES: Readonly<Record<string, string>> = {
  AccessDeniedException: "You are not signed in",
  PasswordPolicyViolation: "This password cannot be taken",
  ThrottlingException: "Too many attempts",
};

export function SignInFault({ fault }: { fault: Fault }) {
  return (
    <div role="alert">
      <Alert type="error" header={TITLES[fault.code] ?? fault.title}>
        {isClock(fault)
          ? clockWords()
          : fault.kind === "unreachable"
            ? "It may be starting, or the network is down. Try again in a moment."
            : visible(fault.message)}
        {isMismatch(fault) &&
          ` If the secret is right, a proxy changes requests on their way: it must pass them on with Host: ${visible(location.host)}.`}
      </Alert>
    </div>
  );
}
