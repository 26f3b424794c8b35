import { describe, expect, it } from "vitest";

import { authorizationUrl, beginning, challengeOf, mismatch, type Offer, returnedIn } from "../src/session/provider-steps";

const OFFER: Offer = {
  name: "Company",
  issuer: "https://login.example.org",
  client_id: "keytrail",
  scope: "openid email",
  authorization_endpoint: "https://login.example.org/authorize?tenant=1",
};

describe("a sign-in with a provider", () => {
  it("has the challenge of RFC 7636, appendix B", async () => {
    expect(await challengeOf("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")).toBe("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
  });

  it("asks for a code, with secrets of its own", async () => {
    const begun = beginning(OFFER, "/keys?state=Enabled");
    const url = new URL(await authorizationUrl(OFFER, begun, "https://keys.example.org"));
    expect(url.origin + url.pathname).toBe("https://login.example.org/authorize");
    expect(Object.fromEntries(url.searchParams)).toEqual({
      tenant: "1",
      response_type: "code",
      client_id: "keytrail",
      redirect_uri: "https://keys.example.org/console/",
      scope: "openid email",
      state: begun.state,
      nonce: begun.nonce,
      code_challenge: await challengeOf(begun.verifier),
      code_challenge_method: "S256",
    });
    const secrets = [begun.state, begun.nonce, begun.verifier];
    expect(new Set([...secrets, beginning(OFFER, "/").state]).size).toBe(4);
    expect(secrets.every((each) => /^[\w-]{43}$/.test(each))).toBe(true);
  });

  it("reads an answer, and takes no other URL for one", () => {
    expect(returnedIn("?code=c&state=s")).toEqual({ state: "s", code: "c", error: "", iss: null });
    const refused = "?error=access_denied&error_description=No&state=s&iss=https%3A%2F%2Fother";
    expect(returnedIn(refused)).toEqual({ state: "s", code: null, error: "access_denied: No", iss: "https://other" });
    expect(["", "?state=Enabled", "?code=c"].map(returnedIn)).toEqual([null, null, null]);
  });

  it("takes the answer to itself alone", () => {
    const begun = beginning(OFFER, "/");
    const answer = { state: begun.state, code: "c", error: "", iss: null };
    expect(mismatch(begun, answer)).toBeNull();
    expect(mismatch(begun, { ...answer, iss: OFFER.issuer })).toBeNull();
    expect(mismatch(begun, { ...answer, iss: "https://other" })).toContain("Another provider");
    expect(mismatch(begun, { ...answer, state: "other" })).toContain("no sign-in that began in this tab");
    expect(mismatch(null, answer)).toContain("no sign-in that began in this tab");
  });
});
