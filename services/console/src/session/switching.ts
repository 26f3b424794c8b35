/** Switching to a role: AssumeRole, always by the session that somebody signed in with. */

import { AssumeRoleCommand } from "@aws-sdk/client-sts";

import { firstSts } from "../aws";
import { recentRoles, rememberRoles } from "../preferences";
import { faultOf } from "../shown/fault";
import { endIfRefused } from "./refused";
import { type Role, roleArn, sessionName, withRecent } from "./role";
import { end, firstSession, type RoleSession, switchTo } from "./session";

/** Work as the role from now on. Raises what STS raises. */
export async function assume(role: Role): Promise<void> {
  const first = firstSession();
  if (first === null) throw new Error("nobody is signed in");
  const asked = { RoleArn: roleArn(role), RoleSessionName: sessionName(first.identity.arn), DurationSeconds: role.seconds };
  let made: RoleSession;
  try {
    const { Credentials: given, AssumedRoleUser: who } = await (await firstSts()).send(new AssumeRoleCommand(asked));
    made = {
      role,
      region: first.region,
      credential: {
        accessKeyId: given?.AccessKeyId ?? "",
        secretAccessKey: given?.SecretAccessKey ?? "",
        sessionToken: given?.SessionToken ?? "",
      },
      identity: { arn: who?.Arn ?? "", account: role.account, root: false },
      transparencyLog: first.transparencyLog,
      firstAccount: first.firstAccount && role.account === first.identity.account,
      expires: (given?.Expiration ?? new Date(0)).toISOString(),
    };
  } catch (thrown) {
    const fault = faultOf(thrown);
    // The session of whoever signed in is over, and with it every role's.
    if (fault.kind === "credential") {
      endIfRefused(fault, first);
      end("refused");
    }
    throw thrown;
  }
  if (firstSession() !== first) return; // signed out meanwhile
  rememberRoles(first.identity.arn, withRecent(recentRoles(first.identity.arn), role));
  switchTo(made);
}
