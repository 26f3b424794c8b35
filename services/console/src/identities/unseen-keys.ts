/** Access keys that were made while their page was left: they exist, and nobody has seen their secrets. Kept in memory, by the
 * user who made them and the user whose they are; the secret is not. */

import { current } from "../session/session";

const unseen = new Map<string, string>();

function name(user: string): string {
  return `${current()?.identity.arn ?? ""} ${user}`;
}

export function unseenKey(user: string): string | null {
  return unseen.get(name(user)) ?? null;
}

/** Called when the key is asked for: it may come when somebody else is signed in. */
export function notingUnseen(user: string): (id: string) => void {
  const of = name(user);
  return (id) => unseen.set(of, id);
}

export function forgetUnseen(user: string): void {
  unseen.delete(name(user));
}
