/** A new password, shown this once with everything that its user needs to sign in. */

import { BASE } from "../router";
import { current } from "../session/session";
import { useLeaveGuard } from "../shown/leave-guard";
import { ShownOnce } from "../shown/shown-once";
import { csvOf } from "./csv";

const LOSS = "The new password is shown this once. Leave, and nobody can see it again?";

export function ShownPassword({ user, password, close }: { user: string; password: string; close: () => void }) {
  useLeaveGuard(LOSS);
  const url = `${location.origin}${BASE}/`;
  return (
    <ShownOnce
      header="The new password"
      secret="the password"
      members={[
        { label: "Sign-in page", copies: "address of the sign-in page", text: url },
        { label: "Account", copies: "account", text: current()?.identity.account ?? "" },
        { label: "User name", copies: "user name", text: user },
        { label: "Password", copies: "password", text: password },
      ]}
      file={{ name: `${user}_credentials.csv`, text: csvOf(user, password, url) }}
      close={close}
    />
  );
}
