/** Who is signed in, and with which credential.
 *
 * A credential is kept in memory. If the user asks, it is kept in sessionStorage too, which the browser forgets with the tab:
 * never in localStorage, a URL or a log.
 */

import { useSyncExternalStore } from "react";

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
}

/** Why there is no session: the sign-in page says it. */
export type Ended = "never" | "signed out" | "idle" | "refused" | "altered";

const KEPT = "keytrail.session";

let session: Session | null = kept();
let ended: Ended = "never";
const listeners = new Set<() => void>();

function kept(): Session | null {
  if (typeof sessionStorage === "undefined") return null;
  const text = sessionStorage.getItem(KEPT);
  // We wrote it ourselves, in this tab; if it is anything else, it is forgotten.
  try {
    const read = text === null ? null : (JSON.parse(text) as Session);
    return read !== null && typeof read.credential.secretAccessKey === "string" ? read : null;
  } catch {
    sessionStorage.removeItem(KEPT);
    return null;
  }
}

export function begin(begun: Session, keep: boolean): void {
  session = begun;
  ended = "never";
  if (keep) sessionStorage.setItem(KEPT, JSON.stringify(begun));
  else sessionStorage.removeItem(KEPT);
  tell();
}

/** Forget the credential everywhere. */
export function end(why: Ended): void {
  sessionStorage.removeItem(KEPT);
  if (session === null) return;
  session = null;
  ended = why;
  tell();
}

function tell(): void {
  for (const each of listeners) each();
}

function subscribe(changed: () => void): () => void {
  listeners.add(changed);
  return () => listeners.delete(changed);
}

export function current(): Session | null {
  return session;
}

export function whyEnded(): Ended {
  return ended;
}

export function useSession(): Session | null {
  return useSyncExternalStore(subscribe, current);
}
