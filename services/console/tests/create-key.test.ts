import { describe, expect, it } from "vitest";

import { aliasFault, basisOf, faultsOf, FRESH, formOf, isKnown, withKind } from "../src/pages/create/draft";
import { specsOf, usagesOf } from "../src/pages/create/kinds";
import { pem } from "../src/pages/key/pem";
import { upTo } from "../src/shown/span";

describe("the draft of a key", () => {
  it("takes a spec that fits its type and usage", () => {
    const pair = withKind(FRESH, "asymmetric", "ENCRYPT_DECRYPT");
    expect([pair.usage, pair.spec]).toEqual(["ENCRYPT_DECRYPT", "RSA_2048"]);
    expect(withKind({ ...pair, spec: "RSA_4096" }, "asymmetric", "SIGN_VERIFY").spec).toBe("RSA_4096");
    const secret = withKind(withKind(FRESH, "asymmetric", "KEY_AGREEMENT"), "symmetric", "KEY_AGREEMENT");
    expect([secret.usage, secret.spec]).toEqual(["ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT"]);
  });

  it("offers only what the server makes", () => {
    expect(usagesOf("symmetric")).toEqual(["ENCRYPT_DECRYPT", "GENERATE_VERIFY_MAC"]);
    expect(specsOf("asymmetric", "KEY_AGREEMENT")).toEqual(["ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521"]);
  });

  it.each([
    ["", "Type a name for the key."],
    ["alias/", "Type a name for the key."],
    ["aws/ebs", "Names that begin with aws/ are for keys that AWS services manage."],
    ["with space", "Use letters, digits, and / _ - only, at most 250 of them."],
  ])("refuses the alias %j", (alias, fault) => {
    expect(aliasFault(alias)).toBe(fault);
  });

  it("takes an alias with its prefix or without", () => {
    expect([aliasFault("orders"), aliasFault("alias/team/orders_1")]).toEqual([null, null]);
  });

  it("names the fault beside its field", () => {
    const tags = [{ name: "a", value: "" }, { name: "", value: "" }, { name: "a", value: "x" }, { name: "AWS:x", value: "" }];
    expect(Object.keys(faultsOf({ ...FRESH, alias: "x", tags }, 1, "111122223333"))).toEqual(["tag 1", "tag 2", "tag 3"]);
    const accounts = ["444455556666", "111122223333", "12", "444455556666"];
    expect(Object.keys(faultsOf({ ...FRESH, accounts }, 3, "111122223333"))).toEqual(["account 1", "account 2", "account 3"]);
  });

  it("counts on being known again for ten minutes, to the credential that asked", () => {
    const attempt = { id: "1", accessKey: "ASIA1", at: 1_000 };
    expect([isKnown(attempt, "ASIA1", 601_000 - 1), isKnown(attempt, "ASIA1", 601_000), isKnown(attempt, "ASIA2", 1_000)]).toEqual([true, false, false]);
  });

  it("asks for another policy only if something changes that the policy depends on", () => {
    expect(basisOf({ ...FRESH, alias: "x", step: 3 })).toBe(basisOf(FRESH));
    expect(basisOf({ ...FRESH, users: ["arn:aws:iam::111122223333:user/a"] })).not.toBe(basisOf(FRESH));
    expect(formOf(FRESH).may_delete).toBe(false); // there is nobody who could
  });
});

describe("a key's page", () => {
  it("shows a public key as PEM in lines of 64", () => {
    expect(pem("PUBLIC KEY", new Uint8Array(50).fill(65))).toBe(
      `-----BEGIN PUBLIC KEY-----\n${"QUFB".repeat(16)}\nQUE=\n-----END PUBLIC KEY-----\n`,
    );
  });

  it("asks the record up to and including the moment that is looked at", () => {
    expect([upTo(null), upTo("@41"), upTo("2026-01-01T00:00:00Z")]).toEqual([{}, { to: "@42" }, { to: "2026-01-01T00:00:00Z" }]);
  });
});
