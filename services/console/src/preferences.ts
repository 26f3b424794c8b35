/** What a user prefers, kept in this browser. Never a credential or an answer: those go with the tab. The only names that stay are
 * those of the roles that a user switched to, until the user has them forgotten, and that of an account that is to be remembered.
 * (A user's own stays until they sign out: session/stay.ts.) */

import { applyMode, Mode } from "@cloudscape-design/global-styles";

import { isRole, type Role } from "./session/role";

const THEME = "keytrail.theme";
const COLUMNS = "keytrail.columns.";
const ROLES = "keytrail.roles.";
const ACCOUNT = "keytrail.account";

export type Theme = "light" | "dark";

export function theme(): Theme {
  const kept = localStorage.getItem(THEME);
  if (kept === "light" || kept === "dark") return kept;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

export function chooseTheme(chosen: Theme): void {
  localStorage.setItem(THEME, chosen);
  applyTheme();
}

export function applyTheme(): void {
  applyMode(theme() === "dark" ? Mode.Dark : Mode.Light);
}

/** Which columns of a table a user wants to see; null if that was never set. */
export function columnsOf(table: string): readonly string[] | null {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(COLUMNS + table) ?? "null");
    return Array.isArray(kept) && kept.every((each) => typeof each === "string") ? kept : null;
  } catch {
    return null;
  }
}

export function chooseColumns(table: string, columns: readonly string[]): void {
  localStorage.setItem(COLUMNS + table, JSON.stringify(columns));
}

/** The roles that a user switched to last. */
export function recentRoles(principal: string): readonly Role[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(ROLES + principal) ?? "[]");
    return Array.isArray(kept) ? kept.filter(isRole) : [];
  } catch {
    return [];
  }
}

export function rememberRoles(principal: string, roles: readonly Role[]): void {
  if (roles.length === 0) localStorage.removeItem(ROLES + principal);
  else localStorage.setItem(ROLES + principal, JSON.stringify(roles));
}

/** The id or alias of the account that the sign-in page fills in; "" for none. */
export function rememberedAccount(): string {
  return localStorage.getItem(ACCOUNT) ?? "";
}

export function rememberAccount(account: string): void {
  if (account === "") localStorage.removeItem(ACCOUNT);
  else localStorage.setItem(ACCOUNT, account);
}
