/** Signing in with an OpenID Connect provider, as far as the browser has a part in it: the authorization code flow with PKCE (RFC 7636).
 * What the browser keeps meanwhile stays in this tab. */

import { Sha256 } from "@aws-crypto/sha256-js";

import { BASE } from "../router";

/** What the sign-in page is told of a provider. */
export interface Offer {
  name: string;
  issuer: string;
  client_id: string;
  scope: string;
  authorization_endpoint: string;
}

/** A sign-in that has begun: the answer has to be to this one. */
export interface Begun {
  provider: string;
  issuer: string;
  state: string;
  nonce: string;
  verifier: string;
  /** Where the user was, below the console's address. */
  page: string;
}

/** What the provider's answer in the URL says. `iss` is who answers, if it says so (RFC 9207). */
export interface Returned {
  state: string;
  code: string | null;
  error: string;
  iss: string | null;
}

const RANDOM_BYTES = 32;

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function random(): string {
  return base64url(crypto.getRandomValues(new Uint8Array(RANDOM_BYTES)));
}

export function beginning(offer: Offer, page: string): Begun {
  return { provider: offer.name, issuer: offer.issuer, state: random(), nonce: random(), verifier: random(), page };
}

/** Not with WebCrypto, which browsers give to pages over HTTPS and on localhost alone. */
export async function challengeOf(verifier: string): Promise<string> {
  const hash = new Sha256();
  hash.update(verifier);
  return base64url(await hash.digest());
}

/** Where the provider sends the browser back to: the same address for every page, since providers know it by heart. */
export function redirectUri(origin: string): string {
  return `${origin}${BASE}/`;
}

export async function authorizationUrl(offer: Offer, begun: Begun, origin: string): Promise<string> {
  const url = new URL(offer.authorization_endpoint);
  const asked = {
    response_type: "code",
    client_id: offer.client_id,
    redirect_uri: redirectUri(origin),
    scope: offer.scope,
    state: begun.state,
    nonce: begun.nonce,
    code_challenge: await challengeOf(begun.verifier),
    code_challenge_method: "S256",
  };
  for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
  return url.href;
}

/** null if the URL is no provider's answer. */
export function returnedIn(search: string): Returned | null {
  const query = new URLSearchParams(search);
  const [state, code, error] = [query.get("state"), query.get("code"), query.get("error")];
  if (state === null || (code === null && error === null)) return null;
  const described = query.get("error_description");
  return { state, code, error: described === null ? (error ?? "") : `${error ?? ""}: ${described}`, iss: query.get("iss") };
}

/** Why the answer is not one to the sign-in that began here; null if it is. */
export function mismatch(begun: Begun | null, returned: Returned): string | null {
  if (begun?.state !== returned.state) return "This answer is to no sign-in that began in this tab. Nothing was sent on. Sign in again.";
  if (returned.iss !== null && returned.iss !== begun.issuer) return "Another provider answered than the one that was asked. Nothing was sent on. Sign in again.";
  return null;
}
