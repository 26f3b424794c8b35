/** Names of principals, statements and conditions, in the words of the command line (services/wording/names.py, condition_words.py).
 * What they return quotes callers: show it with `visible`. */

export interface ShownTest {
  operator: string;
  wanted: string[];
}

export interface ShownCondition {
  key: string;
  any_of: { holds: ShownTest[]; fails: ShownTest[]; present?: boolean }[];
}

export interface Decider {
  kind?: string;
  policy?: string;
  version?: number | string | null;
  sid?: string;
  index?: number | null;
  grant?: string;
  rule?: string;
  unknown?: boolean;
}

/** user/bob in `account`, 444455556666:user/bob in another. */
export function short(name: string | null | undefined, account = ""): string {
  if (name === null || name === undefined || name === "") return "";
  if (/^\d{12}$/.test(name)) return `account ${name}`;
  if (name === "*") return "everyone";
  const [, , service = "", , of = "", ...rest] = name.split(":");
  if (!name.startsWith("arn:") || rest.length === 0) return name;
  const resource = service === "kms" ? rest.join(":").replace(/^key\//, "") : rest.join(":");
  return [account, "aws", ""].includes(of) ? resource : `${of}:${resource}`;
}

/** A role itself: what is true of it is true of each of its sessions. */
export function who(principal: string, account: string): string {
  const name = short(principal, account);
  return name.endsWith("/session") ? name.replace(/\/session$/, "").replace("assumed-role/", "role/") : name;
}

export function statement(by: Decider, account: string): string {
  if (by.grant !== undefined) return `grant ${by.grant.slice(0, 12)}…`;
  if (by.rule !== undefined && by.rule !== "") return by.rule.replaceAll("-", " ");
  const policy = by.policy ?? "";
  if (by.kind === "key-policy") {
    if (by.unknown === true) return "key policy, not known";
    return `key policy ${place(by)}`.trim();
  }
  if (policy === "") return `${(by.kind ?? "").replaceAll("-", " ")} of the other account`;
  const [holder = "", inline] = policy.split("#", 2);
  const name = inline === undefined ? short(policy, account) : `${short(holder, account)}#${inline}`;
  return `${KINDS[by.kind ?? ""] ?? ""} ${name} ${by.unknown === true ? ", not known" : place(by)}`.trim().replace(" ,", ",");
}

const KINDS: Readonly<Record<string, string>> = {
  "trust-policy": "trust policy of",
  boundary: "boundary",
  "session-policy": "session policy",
};

function place(by: Decider): string {
  if (by.sid !== undefined && by.sid !== "") return `"${by.sid}"`;
  return by.index === null || by.index === undefined ? "" : `statement ${by.index}`;
}

/** One condition of a set of requests; several alternatives are joined by "or". */
export function condition(found: ShownCondition): string {
  const cases = found.any_of.map((each) => {
    const words = [
      ...each.holds.map((test) => `${found.key} ${test.operator} ${test.wanted.join(" or ")}`),
      ...each.fails.map((test) => `not (${found.key} ${test.operator} ${test.wanted.join(" or ")})`),
    ];
    if (each.present !== undefined) words.push(`${found.key} is ${each.present ? "there" : "absent"}`);
    return words.length === 0 ? `${found.key} is anything else` : words.join(" and ");
  });
  return cases.length < 2 ? cases.join("") : cases.map((each) => (each.includes(" and ") ? `(${each})` : each)).join(" or ");
}

export interface OpenTest extends ShownTest {
  key: string;
}

/** Conditions that the request still has to meet. */
export function open(tests: readonly OpenTest[]): string {
  return tests.map((each) => `${each.key} ${each.operator} ${each.wanted.join(" or ")}`).join(" and ");
}

export interface ShownPrincipal {
  kind?: string;
  account?: string;
  principal?: string;
}

/** Whom a set of requests is from. Where no principal is named, it is everyone else of a kind. */
export function whom(principals: readonly ShownPrincipal[], account: string): string[] {
  const words = principals.map((each) => {
    if (each.principal !== undefined) return who(each.principal, account);
    const of = ofAccount(each.account ?? "", account);
    if (each.kind === "root") return `the root${of}`;
    return `${each.account === ANY_OTHER ? "every" : "every other"} ${each.kind ?? "principal"}${of}`;
  });
  return [...new Set(words)]; // a principal, and the one that may be made again under its name
}

/** How answers call the accounts that no policy names. */
const ANY_OTHER = "any other";

function ofAccount(of: string, account: string): string {
  if (of === "") return "";
  if (of === account) return " of this account";
  return of === ANY_OTHER ? " of any other account" : ` of account ${of}`;
}
