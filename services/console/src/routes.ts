/** Every page, with its URL and its place in the navigation. A page is a file of pages/ with a default export that takes
 * PageProps; it is loaded when its URL is first opened. */

import { type ComponentType, lazy, type LazyExoticComponent } from "react";

import type { PageProps } from "./router";

export interface PageRow {
  /** Under /console. The first row that matches is shown. */
  path: string;
  title: string;
  /** The heading in the navigation under which it is listed; null: it is reached from other pages. */
  section: string | null;
  page: LazyExoticComponent<ComponentType<PageProps>>;
}

const unbuilt = lazy(() => import("./pages/unbuilt"));
const key = lazy(() => import("./pages/key/key"));

export const PAGES: readonly PageRow[] = [
  { path: "/keys", title: "Customer managed keys", section: "Keys", page: lazy(() => import("./pages/keys")) },
  { path: "/aws-keys", title: "AWS managed keys", section: "Keys", page: unbuilt },
  { path: "/keys/create", title: "Create key", section: null, page: lazy(() => import("./pages/create/create-key")) },
  { path: "/keys/{key}", title: "Key", section: null, page: key },
  { path: "/keys/{key}/{tab}", title: "Key", section: null, page: key },
  { path: "/access", title: "Who can", section: "Access", page: lazy(() => import("./pages/access")) },
  { path: "/access/changes", title: "What changed", section: "Access", page: unbuilt },
  { path: "/decisions", title: "Decisions", section: "Records", page: lazy(() => import("./pages/decisions")) },
  { path: "/decisions/{call}", title: "Decision", section: null, page: lazy(() => import("./pages/decision")) },
  { path: "/alerts", title: "Alerts", section: "Records", page: lazy(() => import("./pages/alerts")) },
  { path: "/alerts/rules", title: "Alert rules", section: "Records", page: lazy(() => import("./pages/alert-rules")) },
  { path: "/alerts/{alert}", title: "Alert", section: null, page: lazy(() => import("./pages/alert")) },
  { path: "/trails", title: "Trails", section: "Records", page: unbuilt },
  { path: "/users", title: "Users", section: "Identities", page: unbuilt },
  { path: "/users/{name}", title: "User", section: null, page: unbuilt },
  { path: "/groups", title: "Groups", section: "Identities", page: unbuilt },
  { path: "/groups/{name}", title: "Group", section: null, page: unbuilt },
  { path: "/roles", title: "Roles", section: "Identities", page: unbuilt },
  { path: "/roles/{name}", title: "Role", section: null, page: unbuilt },
  { path: "/policies", title: "Policies", section: "Identities", page: unbuilt },
  { path: "/policies/{arn}", title: "Policy", section: null, page: unbuilt },
  { path: "/installation", title: "Installation", section: "Keytrail", page: unbuilt },
];
export const HOME = "/keys";
