/** Who is signed in, with which credential, and which role they switched to.
 *
 * A credential is kept in memory. If the user asks, it is kept in sessionStorage too, which ends with the tab, and new tabs get it:
 * never in localStorage, a URL or a log. A browser may bring a closed tab back with its sessionStorage, so the time of the last use
 * stands beside it, and which stay of the user it belongs to.
 */

import { useSyncExternalStore } from "react";

import { forgetDrafts, forgetDraftsOfFormerStay, keepDraftsOf } from "./drafts";
import { handedOver, handOver } from "./hand-over";
import { forgetLastUse, isIdle, keepLastUse, used, wasIdle } from "./last-use";
import type { Role } from "./role";
import { endStay, isStay, isStayOver, type Stay, stayOf, whenStaysChange } from "./stay";

export interface Credential {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

export interface Identity {
  arn: string;
  account: string;
  root: boolean;
}

export interface Session {
  credential: Credential;
  region: string;
  identity: Identity;
  /** RFC 3339. Keytrail ends it then, or before, when the access key or its user is gone. */
  expires: string;
  /** Whether the installation has a transparency log, so that records can be proven. */
  transparencyLog: boolean;
  /** Whether the account is the one that hosts all others. */
  firstAccount: boolean;
}

/** The session of a role. Its expiry is no later than that of the session that switched to the role. */
export interface RoleSession extends Session {
  role: Role;
}

/** Why there is no session: the page that follows says it. */
export type Ended = "never" | "signed out" | "elsewhere" | "ended" | "idle" | "expired" | "refused" | "changed" | "altered" | "clock";

export interface Lost {
  role: Role;
  why: Ended;
}

interface Signed {
  /** The session of whoever signed in. Every switch to a role starts from it, as in the AWS console. */
  first: Session | null;
  assumed: RoleSession | null;
  /** A role's session that ended by itself. Until the user chooses how to go on, nothing is asked as anybody: a click that was
   * meant for the role must not be made by the user. */
  lost: Lost | null;
  ended: Ended;
  /** Null if nobody is signed in. */
  stay: Stay | null;
  /** Whether the session was begun in this tab. Another tab may have handed it over. */
  own: boolean;
}

const KEPT = "keytrail.session";
const NOBODY: Signed = { first: null, assumed: null, lost: null, ended: "never", stay: null, own: false };

let keeping = false;
let signed: Signed = kept();
const listeners = new Set<() => void>();
let tellLeft: (left: Session | null) => void = () => undefined;

function kept(): Signed {
  if (typeof sessionStorage === "undefined") return NOBODY;
  forgetDraftsOfFormerStay();
  const text = sessionStorage.getItem(KEPT);
  if (text === null) return NOBODY;
  // We wrote it ourselves, in this tab; if it is anything else, it is forgotten.
  try {
    const read: unknown = JSON.parse(text);
    if (!isSigned(read)) throw new TypeError("no session");
    const ended = isStayOver(read.stay) ? "elsewhere" : wasIdle() ? "idle" : null;
    if (ended !== null) {
      sessionStorage.removeItem(KEPT);
      return { ...NOBODY, ended };
    }
    keeping = true;
    return { ...read, ended: "never" };
  } catch {
    sessionStorage.removeItem(KEPT);
    return NOBODY;
  }
}

function isSigned(read: unknown): read is Signed & { first: Session; stay: Stay } {
  const { first, stay } = (read ?? {}) as Partial<Signed>;
  return typeof first?.credential.secretAccessKey === "string" && typeof first.identity.arn === "string" && isStay(stay);
}

/** Take the session of another tab, if this one has none. */
export async function takeOver(): Promise<void> {
  const before = signed;
  if (before.first !== null) return;
  const found = await handedOver(isSigned);
  // Somebody may have signed in here meanwhile, or out there.
  if (found === null || signed !== before || isStayOver(found.stay)) return;
  keeping = true;
  keepDraftsOf(found.stay);
  change({ ...found, ended: "never", own: false });
}

function change(to: Signed): void {
  signed = to;
  if (keeping && to.first !== null) {
    sessionStorage.setItem(KEPT, JSON.stringify(to));
    keepLastUse();
  } else {
    sessionStorage.removeItem(KEPT);
    forgetLastUse();
  }
  for (const each of listeners) each();
}

/** Keep the time of the last use with the session, if the tab keeps that. */
export function keepUse(): void {
  if (keeping && signed.first !== null) keepLastUse();
}

export function begin(begun: Session, keep: boolean): void {
  used();
  keeping = keep;
  const stay = stayOf(begun.identity.arn);
  keepDraftsOf(stay);
  change({ ...NOBODY, first: begun, stay, own: true });
}

/** Forget every credential in this tab. */
export function end(why: Ended): void {
  if (signed.first === null) return;
  keeping = false;
  change({ ...NOBODY, ended: why });
}

/** Call `left` whenever a user has signed out, with the session that this tab is to end at Keytrail; null if another tab does. */
export function whenLeft(left: (session: Session | null) => void): void {
  tellLeft = left;
}

/** The user signed out in another tab. `signedOut`: the access key of the session there, if it is known. A tab that has another
 * session ends that, too. Each session is ended by one tab: who sends the credential of one that is over looks like a thief. */
export function endIfSignedOut(signedOut: string | null = null): void {
  const { first, stay, own } = signed;
  if (stay === null || !isStayOver(stay)) return;
  const another = own && signedOut !== null && signedOut !== first?.credential.accessKeyId;
  leave("elsewhere", another ? first : null);
}

if (typeof document !== "undefined") {
  whenStaysChange(endIfSignedOut);
  handOver(() => (keeping && signed.stay !== null && !isStayOver(signed.stay) && !isIdle() ? { arn: signed.stay.arn, signed } : null));
}

/** Sign out in every tab of this browser: who leaves a computer expects that nothing of theirs stays open. A tab of another user
 * stays: it was signed in by itself. Tabs that nobody uses, and credentials that Keytrail refuses, end each tab by itself. */
export function signOut(): void {
  const { first, stay } = signed;
  if (first === null || stay === null) return;
  endStay(stay.arn, first.credential.accessKeyId);
  leave("signed out", first);
}

function leave(why: Ended, left: Session | null): void {
  end(why);
  forgetDrafts();
  tellLeft(left);
}

/** Keytrail no longer takes the credential of `asked`, or its time is over. A late answer to a session that is over already says
 * nothing about the present one. */
export function over(asked: Session | null, why: Ended): void {
  if (asked === null || asked !== current()) return;
  const { assumed } = signed;
  if (assumed !== null && (why === "refused" || why === "changed" || why === "expired")) change({ ...signed, assumed: null, lost: { role: assumed.role, why } });
  else end(why);
}

/** Work as a role, whatever role was there before. */
export function switchTo(role: RoleSession): void {
  change({ ...signed, assumed: role, lost: null });
}

/** Work as whoever signed in. */
export function switchBack(): void {
  change({ ...signed, assumed: null, lost: null });
}

function subscribe(changed: () => void): () => void {
  listeners.add(changed);
  return () => listeners.delete(changed);
}

/** The session that signs what is asked now. */
export function current(): Session | null {
  return signed.lost === null ? (signed.assumed ?? signed.first) : null;
}

export function firstSession(): Session | null {
  return signed.first;
}

export function whyEnded(): Ended {
  return signed.ended;
}

export function useSession(): Session | null {
  return useSyncExternalStore(subscribe, current);
}

/** Everything about who is signed in. */
export function useSigned(): Signed {
  return useSyncExternalStore(subscribe, () => signed);
}
