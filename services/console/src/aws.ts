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
  // Weakly, so that a session that is over is in no client's memory.
  const made = new WeakMap<Session, Promise<C>>();
  return () => {
    const session = whose();
    if (session === null) throw new Error("nobody is signed in");
    const client = made.get(session) ?? load().then((make) => make(configuration(session)));
    made.set(session, client);
    return client;
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
