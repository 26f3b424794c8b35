/** What a user prefers, kept in this browser. Never a credential, a name or an answer: those go with the tab. */

import { applyMode, Mode } from "@cloudscape-design/global-styles";

const THEME = "keytrail.theme";
const COLUMNS = "keytrail.columns.";

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
