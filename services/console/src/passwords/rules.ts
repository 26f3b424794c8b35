/** The account's password policy: as IAM has it, as its form, and in words. */

import type { PasswordPolicy, UpdateAccountPasswordPolicyRequest } from "@aws-sdk/client-iam";

/** What the account asks of passwords; null: it has no policy of its own, so IAM's default applies. */
export type Rules = PasswordPolicy | null;

/** The symbols that count as such (IAM user guide, id_credentials_passwords_account-policy). */
export const SYMBOLS = "!@#$%^&*()_+-=[]{}|'";
export const LENGTH = { least: 6, most: 128 };
export const DAYS = { least: 1, most: 1095 };
export const REMEMBERED = { least: 1, most: 24 };
const DEFAULT_LENGTH = 8;
const KINDS = {
  RequireUppercaseCharacters: "uppercase letter (A-Z)",
  RequireLowercaseCharacters: "lowercase letter (a-z)",
  RequireNumbers: "number",
  RequireSymbols: `symbol (${SYMBOLS.replace(/.(?=.)/g, "$& ")})`,
} as const;
type Kind = keyof typeof KINDS;
export const EVERY_KIND = Object.keys(KINDS) as Kind[];

export function kindLabel(kind: Kind): string {
  return `Require at least one ${KINDS[kind]}`;
}

export function leastLength(rules: Rules): number {
  return rules === null ? DEFAULT_LENGTH : (rules.MinimumPasswordLength ?? LENGTH.least);
}

/** What a new password has to be. */
export function passwordWords(rules: Rules): string[] {
  const length = `At least ${leastLength(rules)} characters`;
  if (rules === null) return [length, "Characters of at least three kinds: uppercase letters, lowercase letters, numbers, symbols"];
  const kinds = EVERY_KIND.filter((each) => rules[each] === true).map((each) => `At least one ${KINDS[each]}`);
  const { PasswordReusePrevention: remembered = 0 } = rules;
  const reuse = remembered === 1 ? ["Not the last password again"] : remembered > 1 ? [`None of the last ${remembered} passwords again`] : [];
  return [length, ...kinds, ...reuse];
}

/** How long passwords last, and who changes them. */
export function lifeWords(rules: Rules): string[] {
  const days = rules?.MaxPasswordAge ?? 0;
  return [
    days === 0 ? "Passwords do not expire" : `Passwords expire after ${days === 1 ? "one day" : `${days} days`}`,
    ...(days > 0 && rules?.HardExpiry === true ? ["Only an administrator can replace a password that has expired"] : []),
    rules?.AllowUsersToChangePassword === true
      ? "All users may change their own password"
      : "Users may change their own password if a policy allows it (iam:ChangePassword)",
  ];
}

export interface PolicyForm {
  /** Whether the account has rules of its own. */
  own: boolean;
  length: string;
  kinds: readonly Kind[];
  expires: boolean;
  days: string;
  hardExpiry: boolean;
  usersChange: boolean;
  remembers: boolean;
  remembered: string;
}

export function formOf(rules: Rules): PolicyForm {
  return {
    own: rules !== null,
    length: String(leastLength(rules)),
    kinds: EVERY_KIND.filter((each) => rules?.[each] === true),
    expires: (rules?.MaxPasswordAge ?? 0) > 0,
    days: String(rules?.MaxPasswordAge ?? 90),
    hardExpiry: rules?.HardExpiry === true,
    usersChange: rules?.AllowUsersToChangePassword ?? true,
    remembers: (rules?.PasswordReusePrevention ?? 0) > 0,
    remembered: String(rules?.PasswordReusePrevention ?? 5),
  };
}

/** What is wrong with a number that was typed; null if it is right. */
export function numberFault(text: string, { least, most }: { least: number; most: number }): string | null {
  const right = /^\d{1,4}$/.test(text) && Number(text) >= least && Number(text) <= most;
  return right ? null : `Type a whole number from ${least} to ${most}.`;
}

export function isWhole(form: PolicyForm): boolean {
  if (!form.own) return true;
  return (
    numberFault(form.length, LENGTH) === null &&
    (!form.expires || numberFault(form.days, DAYS) === null) &&
    (!form.remembers || numberFault(form.remembered, REMEMBERED) === null)
  );
}

/** IAM takes the policy whole; null: the account's own policy is to be deleted. */
export function requestOf(form: PolicyForm): UpdateAccountPasswordPolicyRequest | null {
  if (!form.own) return null;
  return {
    MinimumPasswordLength: Number(form.length),
    ...(Object.fromEntries(EVERY_KIND.map((each) => [each, form.kinds.includes(each)])) as Record<Kind, boolean>),
    AllowUsersToChangePassword: form.usersChange,
    ...(form.expires ? { MaxPasswordAge: Number(form.days), HardExpiry: form.hardExpiry } : {}),
    ...(form.remembers ? { PasswordReusePrevention: Number(form.remembered) } : {}),
  };
}
