/** The AWS SDK's clients for this installation: each is loaded when it is first asked for.
 *
 *     const { Keys } = await (await kms()).send(new ListKeysCommand({}), { abortSignal: signal });
 */

import type { IAMClient } from "@aws-sdk/client-iam";
import type { KMSClient } from "@aws-sdk/client-kms";
import type { STSClient } from "@aws-sdk/client-sts";

import { current, firstSession, type Session } from "./session/session";

/** What every client gets. Its endpoint is where the page came from, so the console talks to nobody else. */
function configuration(session: Session) {
  return { endpoint: location.origin, region: session.region, credentials: session.credential, maxAttempts: 2 };
}

type Configuration = ReturnType<typeof configuration>;

function client<C>(load: () => Promise<(with_: Configuration) => C>, whose: () => Session | null = current): () => Promise<C> {
  let made: { session: Session; client: Promise<C> } | null = null;
  return () => {
    const session = whose();
    if (session === null) throw new Error("nobody is signed in");
    if (made?.session !== session) {
      made = { session, client: load().then((make) => make(configuration(session))) };
    }
    return made.client;
  };
}

export const kms: () => Promise<KMSClient> = client(async () => {
  const { KMSClient } = await import("@aws-sdk/client-kms");
  return (with_) => new KMSClient(with_);
});

export const iam: () => Promise<IAMClient> = client(async () => {
  const { IAMClient } = await import("@aws-sdk/client-iam");
  return (with_) => new IAMClient(with_);
});

/** Signs as whoever signed in, also while they work as a role. */
export const firstSts: () => Promise<STSClient> = client(async () => {
  const { STSClient } = await import("@aws-sdk/client-sts");
  return (with_) => new STSClient(with_);
}, firstSession);
