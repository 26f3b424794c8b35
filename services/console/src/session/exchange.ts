/** From a typed credential to a session. The libraries come when the form is sent: the sign-in page does not wait for them. */

import type { Credential, Session } from "./session";

export async function exchanged(credential: Credential, region: string): Promise<Session> {
  const { GetCallerIdentityCommand, STSClient } = await import("@aws-sdk/client-sts");
  const client = new STSClient({ endpoint: location.origin, region, credentials: credential, maxAttempts: 2 });
  const found = await client.send(new GetCallerIdentityCommand({}));
  return {
    credential,
    region,
    identity: { arn: found.Arn ?? "", account: found.Account ?? "", userId: found.UserId ?? "" },
  };
}
