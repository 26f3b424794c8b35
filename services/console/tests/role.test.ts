import { describe, expect, it } from "vitest";

import { clockWords, heard, keytrailNow } from "../src/session/clock";
import { fromQuery, isRole, isRoleName, ofArn, queryOf, type Role, sessionName, whoRefused, withRecent } from "../src/session/role";

const OPS: Role = { account: "111122223333", role: "team/ops", name: "Ops", colour: "red", seconds: 900 };

describe("a role to switch to", () => {
  it("is the same after its link", () => {
    expect(fromQuery(new URLSearchParams(queryOf(OPS)))).toEqual(OPS);
    const aws = "account=111122223333&roleName=team/ops&displayName=Ops&color=red&seconds=900";
    expect(fromQuery(new URLSearchParams(aws))).toEqual(OPS);
  });

  it("takes from a link only what has the right form", () => {
    const link = new URLSearchParams({ account: "12", role: "a b", name: "\u202egro", colour: "url(x)", seconds: "9" });
    expect(fromQuery(link)).toEqual({ account: "", role: "", name: "\\u202egro", colour: "none", seconds: 3600 });
  });

  it("is named by its ARN, too", () => {
    expect(ofArn(" arn:aws:iam::111122223333:role/team/ops ")).toEqual({ account: "111122223333", role: "team/ops" });
    expect([ofArn("arn:aws:iam::111122223333:user/ops"), ofArn("ops")]).toEqual([null, null]);
    expect(["ops", "team/ops", "team/", "a b", ""].map(isRoleName)).toEqual([true, true, false, false, false]);
  });

  it("names its session for its user", () => {
    const arn = (name: string) => `arn:aws:iam::111122223333:${name}`;
    expect([arn("user/team/alice"), arn("assumed-role/ops/alice"), arn("user/a")].map(sessionName)).toEqual(["alice", "alice", "console-a"]);
  });

  it("is remembered once, the last five of them", () => {
    const others = [1, 2, 3, 4, 5].map((each) => ({ ...OPS, role: `r${each}` }));
    expect(withRecent([...others.slice(0, 4), { ...OPS, name: "old" }], OPS)).toEqual([OPS, ...others.slice(0, 4)]);
    expect(withRecent(others, OPS)).toHaveLength(5);
    expect([isRole(OPS), isRole({ ...OPS, colour: "x" }), isRole(null), isRole({ ...OPS, account: "1" })]).toEqual([true, false, false, false]);
  });

  it.each([
    ["because no resource-based policy allows the sts:AssumeRole action", "trust policy decides"],
    ["because no identity-based policy allows the sts:AssumeRole action", "Your own policies decide"],
    ["with an explicit deny in an identity-based policy", "Your own policies decide"],
    ["with an explicit deny in a resource-based policy", "trust policy decides"],
    ["because no permissions boundary allows the sts:AssumeRole action", "boundary decides"],
  ])("is refused %s: says who decides", (words, says) => {
    expect(whoRefused(`User: a is not authorized to perform: sts:AssumeRole on resource: b ${words}`)).toContain(says);
  });
});

describe("the clock", () => {
  it("is Keytrail's, as an answer told it", () => {
    const ours = Date.UTC(2026, 4, 1, 12, 0, 0);
    heard("Fri, 01 May 2026 12:17:00 GMT", ours);
    expect(keytrailNow(ours)).toBe(ours + 17 * 60_000);
    expect(clockWords(ours)).toContain("2026-05-01 12:17:00 UTC: yours is 17 minutes slow");
    heard("Fri, 01 May 2026 11:00:00 GMT", ours);
    expect(clockWords(ours)).toContain("yours is 60 minutes fast");
    heard("no date", ours);
    heard(null, ours);
    expect(keytrailNow(ours)).toBe(ours - 3_600_000);
    heard("Fri, 01 May 2026 12:00:01 GMT", ours);
    expect(keytrailNow(ours)).toBe(ours);
  });
});
