import { describe, expect, it } from "vitest";

import { after, bodyOf, type Given, isInClear, NOTHING } from "../src/session/password-steps";
import { faultOf, V1Error } from "../src/shown/fault";

const TYPED: Given = { ...NOTHING, account: " 111122223333 ", user: " anna ", password: " two words " };
const refusal = (code: string, message = "", status = 403) => faultOf(new V1Error(code, message, status, "1"));
const lost = faultOf(new TypeError("fetch failed"));

describe("a sign-in with a password", () => {
  it("sends what was asked for, and a password as it was typed", () => {
    expect(bodyOf(TYPED)).toEqual({ account: "111122223333", user: "anna", password: " two words " });
    const all = { ...TYPED, newPassword: "another", code: "123456" };
    expect(bodyOf(all)).toEqual({ ...bodyOf(TYPED), new_password: "another", code: "123456" });
  });

  it("goes on to what Keytrail asks for, and gives everything again", () => {
    const first = after("password", TYPED, refusal("NewPasswordRequired"));
    expect(first).toEqual({ step: "new password", given: TYPED, fault: null });
    const chosen = { ...TYPED, newPassword: "another" };
    expect(after("new password", chosen, refusal("MfaCodeRequired"))).toEqual({ step: "code", given: chosen, fault: null });
  });

  it("stays where something is wrong", () => {
    const violation = refusal("PasswordPolicyViolation", "Password should have a minimum length of 8", 400);
    expect(after("new password", { ...TYPED, newPassword: "short" }, violation)).toEqual({ step: "new password", given: TYPED, fault: violation });
    const wrong = refusal("AccessDeniedException", "MultiFactorAuthentication failed with invalid MFA one time pass code.");
    expect(after("code", { ...TYPED, code: "000000" }, wrong)).toEqual({ step: "code", given: TYPED, fault: wrong });
    const tooMany = refusal("ThrottlingException", "", 400);
    expect(after("code", { ...TYPED, code: "000000" }, tooMany).step).toBe("code");
  });

  it("begins again after a wrong password", () => {
    const wrong = refusal("AccessDeniedException", "Your authentication information is incorrect. Please try again.");
    for (const step of ["password", "code"] as const) {
      expect(after(step, { ...TYPED, code: "123456" }, wrong)).toEqual({ step: "password", given: { ...TYPED, password: "" }, fault: wrong });
    }
  });

  it("does not know what a lost answer did", () => {
    expect(after("code", { ...TYPED, code: "123456" }, lost)).toEqual({ step: "code", given: TYPED, fault: lost });
    const chosen = { ...TYPED, newPassword: "another", code: "123456" };
    expect(after("code", chosen, lost)).toEqual({ step: "password", given: { ...TYPED, password: "" }, fault: lost });
  });

  it("is not begun where the password would be sent in clear", () => {
    const hosts = ["localhost", "keytrail.localhost", "127.0.0.1", "[::1]", "10.0.0.4", "localhost.example.org", "127.0.0.1.example.org"];
    expect(hosts.map((each) => isInClear("http:", each))).toEqual([false, false, false, false, true, true, true]);
    expect(isInClear("https:", "10.0.0.4")).toBe(false);
  });
});
