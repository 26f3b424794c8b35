/** From what somebody has to a console session: a user's password, an access key that was typed, a provider's word, or a
 * one-time code of `keytrail console`.
 *
 * The session is a credential of its own that lasts twelve hours at most. A typed key is forgotten once it was exchanged.
 */

import { type AnswerOf, unsigned, V1 } from "../v1/client";
import { bodyOf, type Given } from "./password-steps";
import { type Begun, redirectUri } from "./provider-steps";
import type { Credential, Session } from "./session";

const CODE = "#code=";

/** Raises V1Error. */
export async function exchanged(credential: Credential, region: string): Promise<Session> {
  return sessionOf(await new V1({ credential, region }).post("/v1/console/sessions", { body: {} }));
}

/** Raises V1Error. */
export async function redeemed(code: string): Promise<Session> {
  return sessionOf(await unsigned("/v1/console/codes/redeem", { code }));
}

/** Raises V1Error, also if Keytrail wants more than it was given. */
export async function signedIn(given: Given): Promise<Session> {
  return sessionOf(await unsigned("/v1/console/sign-ins", bodyOf(given)));
}

/** Raises V1Error. */
export async function provenBy(begun: Begun, code: string): Promise<AnswerOf<"/v1/console/provider-codes", "post">> {
  return unsigned("/v1/console/provider-codes", {
    provider: begun.provider,
    code,
    code_verifier: begun.verifier,
    nonce: begun.nonce,
    redirect_uri: redirectUri(location.origin),
  });
}

/** Raises V1Error. */
export async function signedInAs(proof: string, role: string): Promise<Session> {
  return sessionOf(await unsigned("/v1/console/provider-sign-ins", { proof, role }));
}

function sessionOf(made: AnswerOf<"/v1/console/sessions", "post">): Session {
  return {
    credential: {
      accessKeyId: made.access_key_id,
      secretAccessKey: made.secret_access_key,
      sessionToken: made.session_token,
    },
    region: made.region,
    identity: { arn: made.principal, account: made.account, root: made.root },
    expires: made.expires,
    transparencyLog: made.transparency_log,
    firstAccount: made.first_account,
  };
}

/** The code of the URL's fragment. It is taken out of the URL and of the browser's history before anything else happens. */
export function takeCode(): string | null {
  if (!location.hash.startsWith(CODE)) return null;
  const code = location.hash.slice(CODE.length);
  history.replaceState(null, "", location.pathname + location.search);
  return code;
}

