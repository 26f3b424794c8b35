import { describe, expect, it } from "vitest";

import { areThumbprints, hostOf, isIssuer, listed, thumbprints, trustPolicy } from "../src/providers/names";

const ARN = "arn:aws:iam::111122223333:oidc-provider/login.example.org/tenant";
const PRINT = "0123456789abcdef0123456789abcdef01234567";

describe("an OpenID Connect provider", () => {
  it("is named by its issuer", () => {
    expect([ARN, "anything"].map(hostOf)).toEqual(["login.example.org/tenant", "anything"]);
  });

  it("has an https address without a query", () => {
    const right = ["https://login.example.org", "https://login.example.org/tenant/v2.0"];
    const wrong = ["http://login.example.org", "https://", "https:///x", "https://h/?a=b", "https://h/#a", "login.example.org", "https://a b"];
    expect([right.every(isIssuer), wrong.some(isIssuer)]).toEqual([true, false]);
  });

  it("takes lists as people paste them", () => {
    expect(listed(" one\ntwo, one\n\n")).toEqual(["one", "two"]);
    const pasted = `${PRINT.toUpperCase().replace(/..(?=.)/g, "$&:")}\n`;
    expect(thumbprints(pasted)).toEqual([PRINT]);
    expect([[PRINT], [], ["abc"]].map(areThumbprints)).toEqual([true, true, false]);
  });

  it("is trusted for one subject and one audience", () => {
    const [statement] = (JSON.parse(trustPolicy(ARN, "app")) as { Statement: { Condition: unknown }[] }).Statement;
    expect(statement?.Condition).toEqual({
      StringEquals: { "login.example.org/tenant:aud": "app", "login.example.org/tenant:sub": "SUBJECT" },
    });
  });
});
