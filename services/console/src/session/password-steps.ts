/** What the sign-in with a password asks for, one thing after another: Keytrail says what is missing, and gets everything again with
 * it. */

import { type Fault, isUnanswered } from "../shown/fault";

export type Step = "password" | "new password" | "code";

export interface Given {
  account: string;
  user: string;
  password: string;
  newPassword: string;
  code: string;
}

export const NOTHING: Given = { account: "", user: "", password: "", newPassword: "", code: "" };

/** The body of the request. What was not asked for is left out. */
export function bodyOf({ account, user, password, newPassword, code }: Given) {
  return {
    account: account.trim(),
    user: user.trim(),
    password,
    ...(newPassword === "" ? {} : { new_password: newPassword }),
    ...(code === "" ? {} : { code }),
  };
}

export interface Next {
  step: Step;
  given: Given;
  /** What was refused; null if Keytrail only asks for more. */
  fault: Fault | null;
}

const WRONG_CODE = "MultiFactorAuthentication failed";

/** What comes after a refusal of what was given. Passwords and codes that Keytrail refused are not given again. */
export function after(step: Step, given: Given, fault: Fault): Next {
  switch (fault.code) {
    case "MfaCodeRequired":
      return { step: "code", given: { ...given, code: "" }, fault: null };
    case "NewPasswordRequired":
      return { step: "new password", given: { ...given, newPassword: "", code: "" }, fault: null };
    case "PasswordPolicyViolation":
      return { step: "new password", given: { ...given, newPassword: "", code: "" }, fault };
    case "ThrottlingException":
      return { step, given, fault };
  }
  if (fault.message.startsWith(WRONG_CODE)) return { step: "code", given: { ...given, code: "" }, fault };
  // The code may be used up, and the password may be another one already: nobody knows.
  if (isUnanswered(fault)) {
    if (given.newPassword !== "") return { step: "password", given: { ...given, password: "", newPassword: "", code: "" }, fault };
    return { step, given: { ...given, code: "" }, fault };
  }
  return { step: "password", given: { ...given, password: "", newPassword: "", code: "" }, fault };
}

/** Whether a password that is typed here would cross a network in clear. Keytrail refuses it then, but only when it was sent. */
export function isInClear(protocol: string, hostname: string): boolean {
  return protocol !== "https:" && !/^(?:localhost|.+\.localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname);
}
