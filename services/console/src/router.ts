/** URLs of the console. The path names a page, the query its filters; `at` and `trail` stay from page to page, because the past and
 * a trail are looked at as a whole. Nothing secret is ever part of a URL. */

import { useMemo, useSyncExternalStore } from "react";

import { mayLeave } from "./shown/leave-guard";

export const BASE = "/console";
const AS_OF = "at";
const TRAIL = "trail";

export type Places = Readonly<Record<string, string>>;

export interface PageProps {
  /** What the path names: {"key": "1234abcd-..."} for /keys/{key}. */
  places: Places;
  query: URLSearchParams;
}

/** The names in `path` as `pattern` has them; null if it is another page's. A name is one segment, percent-encoded. */
export function match(pattern: string, path: string): Places | null {
  const wanted = segments(pattern);
  const given = segments(path);
  if (wanted.length !== given.length) return null;
  const places: Record<string, string> = {};
  for (const [index, want] of wanted.entries()) {
    const text = given[index] ?? "";
    const name = /^{(\w+)}$/.exec(want)?.[1];
    if (name === undefined) {
      if (want !== text) return null;
      continue;
    }
    const read = decoded(text);
    if (read === null || read === "") return null;
    places[name] = read;
  }
  return places;
}

function segments(path: string): string[] {
  return path.replace(/^\/+|\/+$/g, "").split("/");
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null; // a percent sign that begins no escape
  }
}

/** The URL of a page: `href("/keys/{key}/{tab}", { key, tab: "policy" })`. */
export function href(pattern: string, places: Places = {}, query: Readonly<Record<string, string>> = {}): string {
  const path = pattern.replace(/{(\w+)}/g, (_, name: string) => encodeURIComponent(places[name] ?? ""));
  const all = new URLSearchParams(query);
  const here = new URLSearchParams(location.search);
  for (const kept of [AS_OF, TRAIL]) {
    const value = here.get(kept);
    if (value !== null && !all.has(kept)) all.set(kept, value);
    else if (all.get(kept) === "") all.delete(kept); // a link that leads out
  }
  const text = all.toString();
  return `${BASE}${path}${text === "" ? "" : `?${text}`}`;
}

/** The URL of a page for its path and query below BASE, as a link may bring it; null if that leads out of the console. */
export function within(path: string): string | null {
  if (!path.startsWith("/")) return null;
  const { pathname, search } = new URL(`${BASE}${path}`, "http://console");
  return pathname.startsWith(`${BASE}/`) ? pathname + search : null;
}

const MOVED = "keytrail:moved";
let here = typeof location === "undefined" ? "" : location.pathname + location.search;

/** Back and forward cannot be forbidden: who stays after all is put back. Listens before any page does. */
if (typeof addEventListener === "function") {
  addEventListener("popstate", () => {
    if (mayLeave()) here = location.pathname + location.search;
    else history.pushState(null, "", here);
  });
}

export function navigate(url: string, { replace = false } = {}): void {
  if (go(url, replace) && !replace) scrollTo(0, 0);
}

/** Whether it went there: the user may stay. */
function go(url: string, replace: boolean): boolean {
  if (!replace && !mayLeave()) return false;
  if (replace) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
  here = url;
  dispatchEvent(new Event(MOVED));
  return true;
}

/** For Cloudscape's onFollow: a plain click stays in this document; one with a modifier opens as the user wants. */
export function follow(event: CustomEvent<{ href?: string | undefined; external?: boolean | undefined }>): void {
  const url = event.detail.href;
  if (url === undefined || event.detail.external === true || !url.startsWith(`${BASE}/`)) return;
  event.preventDefault();
  navigate(url);
}

/** Change the query and stay on the page: filters, the time that is shown, and the selected row. An undefined value takes the name
 * out. Back undoes it, unless it `replace`s what was shown: a change that follows from another one. */
export function changeQuery(changes: Readonly<Record<string, string | undefined>>, { replace = false } = {}): void {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined || value === "") query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  const url = `${location.pathname}${text === "" ? "" : `?${text}`}`;
  if (url !== location.pathname + location.search) go(url, replace);
}

function subscribe(changed: () => void): () => void {
  addEventListener("popstate", changed);
  addEventListener(MOVED, changed);
  return () => {
    removeEventListener("popstate", changed);
    removeEventListener(MOVED, changed);
  };
}

export interface Place {
  path: string;
  query: URLSearchParams;
}

export function usePlace(): Place {
  const url = useSyncExternalStore(subscribe, () => location.pathname + location.search);
  return useMemo(() => {
    const [path = "", search = ""] = url.split("?", 2);
    return { path: path.slice(BASE.length) || "/", query: new URLSearchParams(search) };
  }, [url]);
}

/** The imported trail that the pages ask; null: our own log. */
export function useTrail(): string | null {
  return usePlace().query.get(TRAIL);
}

/** The query's members that ask for a moment of the past and for a trail; nothing for now and for our own log. */
export function asked(at: string | null, trail: string | null): { at?: string; trail?: string } {
  return { ...(at === null ? {} : { at }), ...(trail === null ? {} : { trail }) };
}

/** The time or position that the pages show; null: now. */
export function useAsOf(): [string | null, (at: string | null) => void] {
  const { query } = usePlace();
  return [query.get(AS_OF), (at) => changeQuery({ [AS_OF]: at ?? undefined })];
}
