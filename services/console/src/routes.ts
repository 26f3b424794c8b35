/** Every page, with its URL and its place in the navigation. A page is a file of pages/ with a default export that takes
 * PageProps; it is loaded when its URL is first opened. */

import type { ComponentType } from "react";

import type { PageProps } from "./router";
import { onDemand } from "./shown/on-demand";

export interface PageRow {
  /** Under /console. The first row that matches is shown. */
  path: string;
  title: string;
  /** The heading in the navigation under which it is listed; null: it is reached from other pages. */
  section: string | null;
  page: ComponentType<PageProps>;
  /** What is shown while the console shows the past: the page itself if it asks for that time, or another page. A page without
   * one cannot show the past, and is not shown then: its buttons would change the present. */
  past?: "itself" | ComponentType<PageProps>;
  /** The same while the pages ask an imported trail. A page without one is about our own log alone, and links to it leave the
   * trail. */
  ofTrail?: "itself" | ComponentType<PageProps>;
}

const page = onDemand<PageProps>;
const principalThen = page(() => import("./pages/principal-then"));
const keysThen = page(() => import("./pages/keys-then"));
const principalsThen = page(() => import("./pages/principals-then"));
const key = page(() => import("./pages/key/key"));

export const PAGES: readonly PageRow[] = [
  { path: "/keys", title: "Customer managed keys", section: "Keys", page: page(() => import("./pages/keys")), past: keysThen, ofTrail: keysThen },
  { path: "/aws-keys", title: "AWS managed keys", section: "Keys", page: page(() => import("./pages/aws-keys")), past: keysThen },
  { path: "/keys/create", title: "Create key", section: null, page: page(() => import("./pages/create/create-key")) },
  { path: "/keys/{key}", title: "Key", section: null, page: key, past: "itself", ofTrail: "itself" },
  { path: "/keys/{key}/{tab}", title: "Key", section: null, page: key, past: "itself", ofTrail: "itself" },
  { path: "/access", title: "Who can", section: "Access", page: page(() => import("./pages/access")), past: "itself", ofTrail: "itself" },
  { path: "/access/changes", title: "What changed", section: "Access", page: page(() => import("./pages/access-changes")), past: "itself", ofTrail: "itself" },
  { path: "/decisions", title: "Decisions", section: "Records", page: page(() => import("./pages/decisions")), past: "itself", ofTrail: "itself" },
  { path: "/decisions/{call}", title: "Decision", section: null, page: page(() => import("./pages/decision")), past: "itself", ofTrail: page(() => import("./pages/trail-call")) },
  { path: "/alerts", title: "Alerts", section: "Records", page: page(() => import("./pages/alerts")), past: "itself" },
  { path: "/alerts/rules", title: "Alert rules", section: "Records", page: page(() => import("./pages/alert-rules")) },
  { path: "/alerts/{alert}", title: "Alert", section: null, page: page(() => import("./pages/alert")), past: "itself" },
  { path: "/trails", title: "Trails", section: "Records", page: page(() => import("./pages/trails")) },
  { path: "/users", title: "Users", section: "Identities", page: page(() => import("./pages/users")), past: principalsThen, ofTrail: principalsThen },
  { path: "/users/{name}", title: "User", section: null, page: page(() => import("./pages/user")), past: principalThen, ofTrail: principalThen },
  { path: "/groups", title: "Groups", section: "Identities", page: page(() => import("./pages/groups")), past: principalsThen, ofTrail: principalsThen },
  { path: "/groups/{name}", title: "Group", section: null, page: page(() => import("./pages/group")), past: principalThen, ofTrail: principalThen },
  { path: "/roles", title: "Roles", section: "Identities", page: page(() => import("./pages/roles")), past: principalsThen, ofTrail: principalsThen },
  { path: "/roles/{name}", title: "Role", section: null, page: page(() => import("./pages/role")), past: principalThen, ofTrail: principalThen },
  { path: "/policies", title: "Policies", section: "Identities", page: page(() => import("./pages/policies")), past: principalsThen, ofTrail: principalsThen },
  { path: "/policies/{arn}", title: "Policy", section: null, page: page(() => import("./pages/managed-policy")) },
  { path: "/identity-providers", title: "Identity providers", section: "Identities", page: page(() => import("./pages/identity-providers")) },
  { path: "/identity-providers/{arn}", title: "Identity provider", section: null, page: page(() => import("./pages/identity-provider")) },
  { path: "/password-policy", title: "Password policy", section: "Identities", page: page(() => import("./pages/password-policy")) },
  { path: "/security-credentials", title: "My security credentials", section: null, page: page(() => import("./pages/security-credentials")) },
  { path: "/switch-role", title: "Switch role", section: null, page: page(() => import("./pages/switch-role")) },
  { path: "/installation", title: "Installation", section: "Keytrail", page: page(() => import("./pages/installation")) },
];
export const HOME = "/keys";
