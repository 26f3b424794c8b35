/** The role that a user switches to: how it is named, shown, written into a URL and remembered. */

import { visible } from "../shown/visible";

export const COLOURS = ["none", "red", "orange", "yellow", "green", "blue"] as const;
export type Colour = (typeof COLOURS)[number];

export interface Role {
  account: string;
  /** With its path, if it has one: team/ops. */
  role: string;
  /** What the bar shows instead of the role's name; "" for that name. */
  name: string;
  colour: Colour;
  seconds: number;
}

export const HOUR = 3600;
export const LENGTHS = [900, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 12 * HOUR] as const;
export const LONGEST_NAME = 64;
const MOST_RECENT = 5; // as in the AWS console
const ACCOUNT = /^\d{12}$/;
/** As the API reference has them (CreateRole, RoleName and Path), without the leading slash. */
const NAME = /^(?:[!-~]{1,511}\/)?[\w+=,.@-]{1,64}$/;
const ARN = /^arn:aws:iam::(\d{12}):role\/(.+)$/;

export const isAccount = (text: string): boolean => ACCOUNT.test(text);
export const isRoleName = (text: string): boolean => NAME.test(text);

export function roleArn({ account, role }: Pick<Role, "account" | "role">): string {
  return `arn:aws:iam::${account}:role/${role}`;
}

/** Account and name of a role whose ARN was typed; null for any other text. */
export function ofArn(text: string): Pick<Role, "account" | "role"> | null {
  const [, account, role] = ARN.exec(text.trim()) ?? [];
  return account === undefined || role === undefined ? null : { account, role };
}

export function shownName({ name, role, account }: Role): string {
  return `${name === "" ? role : name} @ ${account}`;
}

/** The query of a link that asks its reader to switch. */
export function queryOf({ account, role, name, colour, seconds }: Role): Record<string, string> {
  return {
    account,
    role,
    ...(name === "" ? {} : { name }),
    ...(colour === "none" ? {} : { colour }),
    ...(seconds === HOUR ? {} : { seconds: String(seconds) }),
  };
}

/** What a link asks for. Anybody can have written it, so whatever it has no right form for is left out. AWS's names are taken,
 * too: roleName, displayName, color. */
export function fromQuery(query: URLSearchParams): Role {
  const given = (...names: string[]) => names.map((each) => query.get(each)).find((each) => each !== null) ?? "";
  const colour = COLOURS.find((each) => each === given("colour", "color")) ?? "none";
  const seconds = LENGTHS.find((each) => String(each) === given("seconds")) ?? HOUR;
  const [account, role] = [given("account"), given("role", "roleName")];
  return {
    account: isAccount(account) ? account : "",
    role: isRoleName(role) ? role : "",
    name: visible(given("name", "displayName")).slice(0, LONGEST_NAME),
    colour,
    seconds,
  };
}

/** The session's name on record: the user's own, as the AWS console has it. STS wants two characters at least. */
export function sessionName(arn: string): string {
  const name = arn.split(/[:/]/).at(-1) ?? "";
  return name.length < 2 ? `console-${name}` : name.slice(0, 64);
}

export function withRecent(recent: readonly Role[], used: Role): Role[] {
  return [used, ...recent.filter((each) => roleArn(each) !== roleArn(used))].slice(0, MOST_RECENT);
}

export function isRole(it: unknown): it is Role {
  const { account, role, name, colour, seconds } = (it ?? {}) as Partial<Record<keyof Role, unknown>>;
  return (
    typeof account === "string" && isAccount(account) && typeof role === "string" && isRoleName(role) && typeof name === "string" &&
    COLOURS.some((each) => each === colour) && LENGTHS.some((each) => each === seconds)
  );
}

/** Who decided that the role is refused, and what helps: AWS's sentences say it by their ends (IAM user guide,
 * troubleshoot_access-denied). null: the server's words say all. */
export function whoRefused(message: string): string | null {
  for (const [words, says] of DECIDED) if (message.includes(words)) return says;
  return null;
}

const DECIDED: readonly (readonly [string, string])[] = [
  [
    "no resource-based policy allows the sts:AssumeRole",
    "The role's trust policy decides: it does not trust you, or there is no such role. The trust policy has to allow you, or your account, sts:AssumeRole.",
  ],
  [
    "no identity-based policy allows the sts:AssumeRole",
    "Your own policies decide: the role trusts your account, and now a policy of yours has to allow sts:AssumeRole on this role.",
  ],
  ["no permissions boundary allows", "Your permissions boundary decides: it does not let you assume this role."],
  ["no session policy allows", "The policy of your own session decides: it does not let you assume this role."],
  ["explicit deny in a resource-based policy", "The role's trust policy decides: one of its statements denies it to you."],
  ["explicit deny in an identity-based policy", "Your own policies decide: one of them denies it to you."],
  ["explicit deny in a permissions boundary", "Your permissions boundary decides: it denies it to you."],
  [
    "the resource does not exist in this Region",
    "The role is in another account. Its trust policy has to allow you or your account, and a policy of yours has to allow sts:AssumeRole on it. Another account's reasons are not told.",
  ],
  ["MaxSessionDuration", "The role allows no session as long as this. Choose a shorter one."],
  ["role chaining", "You signed in with a role's credentials, so another role's session lasts one hour at most. Choose a shorter one."],
];
