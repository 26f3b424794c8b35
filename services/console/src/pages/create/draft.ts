/** What the wizard has been told so far. It survives a reload, in this tab alone: there is nothing secret in it. */

import { DRAFT } from "../../session/drafts";
import { full } from "../key/alias-name";
import { specsOf, usagesOf } from "./kinds";

export interface TagPair {
  name: string;
  value: string;
}

export interface Made {
  id: string;
  arn: string;
}

export interface Attempt {
  id: string;
  /** The access key ID that signed it, and when (milliseconds): the server knows it again by both. */
  accessKey: string;
  at: number;
}

export interface Draft {
  step: number;
  type: "symmetric" | "asymmetric";
  usage: string;
  spec: string;
  origin: "AWS_KMS" | "EXTERNAL";
  alias: string;
  description: string;
  tags: readonly TagPair[];
  administrators: readonly string[];
  mayDelete: boolean;
  users: readonly string[];
  accounts: readonly string[];
  /** The policy as its author edited it, and the request that it was generated for; null: as generated. */
  edited: { policy: string; basis: string } | null;
  /** Names the request that makes the key while no answer has come to it, so that sending it again makes no second key. */
  attempt: Attempt | null;
  /** The key, once it is made: what is left is its alias. */
  made: Made | null;
}

export const FRESH: Draft = {
  step: 0,
  type: "symmetric",
  usage: "ENCRYPT_DECRYPT",
  spec: "SYMMETRIC_DEFAULT",
  origin: "AWS_KMS",
  alias: "",
  description: "",
  tags: [],
  administrators: [],
  mayDelete: true,
  users: [],
  accounts: [],
  edited: null,
  attempt: null,
  made: null,
};

/** The draft with another type or usage: what no longer fits takes its first choice. */
export function withKind(draft: Draft, type: Draft["type"], usage: string): Draft {
  const usages = usagesOf(type);
  const fitting = usages.includes(usage) ? usage : (usages[0] ?? "");
  const specs = specsOf(type, fitting);
  return { ...draft, type, usage: fitting, spec: specs.includes(draft.spec) ? draft.spec : (specs[0] ?? "") };
}

/** What POST /v1/key-policies/make takes: everything that the generated policy depends on. */
export function formOf(draft: Draft) {
  return {
    spec: draft.spec,
    usage: draft.usage,
    origin: draft.origin,
    administrators: [...draft.administrators],
    users: [...draft.users],
    accounts: draft.accounts.filter((each) => each !== ""),
    may_delete: draft.mayDelete && draft.administrators.length > 0,
  };
}

export function basisOf(draft: Draft): string {
  return JSON.stringify(formOf(draft));
}

export function newAttempt(accessKey: string): Attempt {
  // Not crypto.randomUUID, which a page has only over HTTPS or from its own machine.
  const id = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return { id, accessKey, at: Date.now() };
}

export const REMEMBERED = 10 * 60_000; // how long the writer remembers a call, in milliseconds

/** Whether the server would know the attempt again. */
export function isKnown(attempt: Attempt, accessKey: string, now = Date.now()): boolean {
  return attempt.accessKey === accessKey && now - attempt.at < REMEMBERED;
}

export type Faults = Readonly<Record<string, string>>;

/** What keeps each step from being left, by field. The server checks all of it again. */
export function faultsOf(draft: Draft, step: number, account: string): Faults {
  const faults: Record<string, string> = {};
  if (step === 1) {
    const fault = aliasFault(draft.alias);
    if (fault !== null) faults["alias"] = fault;
    for (const [index, tag] of draft.tags.entries()) {
      if (tag.name === "") faults[`tag ${index}`] = "A tag needs a name.";
      else if (tag.name.toLowerCase().startsWith("aws:")) faults[`tag ${index}`] = "Names that begin with aws: are reserved.";
      else if (draft.tags.findIndex((each) => each.name === tag.name) !== index) faults[`tag ${index}`] = "This name is there twice.";
    }
  }
  if (step === 3) {
    for (const [index, number] of draft.accounts.entries()) {
      if (!/^\d{12}$/.test(number)) faults[`account ${index}`] = "Type the account's twelve digits.";
      else if (number === account) faults[`account ${index}`] = "This is the key's own account.";
      else if (draft.accounts.indexOf(number) !== index) faults[`account ${index}`] = "This account is there twice.";
    }
  }
  return faults;
}

export function aliasFault(alias: string): string | null {
  const name = full(alias).slice("alias/".length);
  if (name === "") return "Type a name for the key.";
  if (name.startsWith("aws/")) return "Names that begin with aws/ are for keys that AWS services manage.";
  return /^[a-zA-Z0-9/_-]{1,250}$/.test(name) ? null : "Use letters, digits, and / _ - only, at most 250 of them.";
}

const KEPT = `${DRAFT}create-key `;

/** One for each user, so that nobody finds another's. */
export function keptDraft(principal: string): Draft {
  try {
    const read: unknown = JSON.parse(sessionStorage.getItem(KEPT + principal) ?? "null");
    return isDraft(read) ? read : FRESH;
  } catch {
    return FRESH;
  }
}

/** We wrote it ourselves, but an older build of the console may have. */
function isDraft(read: unknown): read is Draft {
  if (typeof read !== "object" || read === null) return false;
  return Object.entries(FRESH).every(([name, usual]) => {
    const given = (read as Record<string, unknown>)[name];
    if (usual === null) return given === null || typeof given === "object";
    return typeof given === typeof usual && Array.isArray(given) === Array.isArray(usual);
  });
}

export function keepDraft(principal: string, draft: Draft | null): void {
  if (draft === null) {
    sessionStorage.removeItem(KEPT + principal);
    return;
  }
  try {
    sessionStorage.setItem(KEPT + principal, JSON.stringify(draft));
  } catch {
    // The browser's quota is used up: the draft is still on the page.
  }
}
