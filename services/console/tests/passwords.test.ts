import { describe, expect, it } from "vitest";

import { csvOf } from "../src/passwords/csv";
import { generated } from "../src/passwords/generated";
import { formOf, isWhole, lifeWords, numberFault, passwordWords, requestOf } from "../src/passwords/rules";

const OWN = {
  MinimumPasswordLength: 14,
  RequireUppercaseCharacters: true,
  RequireLowercaseCharacters: false,
  RequireNumbers: true,
  RequireSymbols: false,
  AllowUsersToChangePassword: false,
  MaxPasswordAge: 90,
  HardExpiry: true,
  PasswordReusePrevention: 5,
};

describe("a password policy", () => {
  it("is the same after its form", () => {
    expect(requestOf(formOf(OWN))).toEqual(OWN);
    expect(requestOf(formOf(null))).toBeNull();
  });

  it("leaves out what is not wanted: 0 is no value of IAM's", () => {
    const request = requestOf({ ...formOf(OWN), expires: false, remembers: false });
    expect(Object.keys(request ?? {})).toEqual(Object.keys(OWN).slice(0, 6));
  });

  it("takes whole numbers in IAM's limits", () => {
    const limits = { least: 6, most: 128 };
    expect(["6", "128"].map((each) => numberFault(each, limits))).toEqual([null, null]);
    const wrong = ["5", "129", "", "8.5", "-8", "1e2", "8 "].map((each) => numberFault(each, limits));
    expect(new Set(wrong)).toEqual(new Set(["Type a whole number from 6 to 128."]));
  });

  it("may be saved while what is switched off is not filled in", () => {
    const form = formOf({ ...OWN });
    expect([form, { ...form, days: "" }, { ...form, days: "", expires: false }, { ...form, length: "5", own: false }].map(isWhole)).toEqual([
      true,
      false,
      true,
      true,
    ]);
  });

  it("is said in words", () => {
    expect(passwordWords(OWN)).toEqual([
      "At least 14 characters",
      "At least one uppercase letter (A-Z)",
      "At least one number",
      "None of the last 5 passwords again",
    ]);
    expect(passwordWords({ RequireSymbols: true })[1]).toBe("At least one symbol (! @ # $ % ^ & * ( ) _ + - = [ ] { } | ')");
    expect(passwordWords(null)[0]).toBe("At least 8 characters");
    expect(lifeWords(OWN).slice(0, 2)).toEqual([
      "Passwords expire after 90 days",
      "Only an administrator can replace a password that has expired",
    ]);
    expect(lifeWords(null)).toEqual([
      "Passwords do not expire",
      "Users may change their own password if a policy allows it (iam:ChangePassword)",
    ]);
  });
});

describe("a generated password", () => {
  const count = (text: string, kind: RegExp) => text.match(kind)?.length ?? 0;

  it("has every kind of character, whatever is drawn", () => {
    for (const draw of [() => 0, (below: number) => below - 1, undefined]) {
      const made = draw === undefined ? generated(null) : generated(null, draw);
      expect(made).toHaveLength(20);
      expect([/[A-Z]/g, /[a-z]/g, /\d/g, /[^A-Za-z\d]/g].map((kind) => count(made, kind) > 0)).toEqual([true, true, true, true]);
      expect(made).toMatch(/^[A-Z][^,"'+=@-]*$/);
    }
  });

  it("is as long as the account asks, and another one each time", () => {
    expect(generated({ MinimumPasswordLength: 64 })).toHaveLength(64);
    expect(new Set(Array.from({ length: 50 }, () => generated(null))).size).toBe(50);
  });

  it("is saved in a file that a spreadsheet reads as it is", () => {
    expect(csvOf('a,"b"', "X1$", "https://h/")).toBe('\ufeffUser name,Password,Console sign-in URL\r\n"a,""b""",X1$,https://h/\r\n');
  });
});
