/** The tabs of a key's page, in their order, and which keys have each. */

import type { ComponentType } from "react";

import { AccessTab } from "./access-tab";
import { AlertsTab } from "./alerts-tab";
import { AliasesTab } from "./aliases-tab";
import { CryptographyTab } from "./cryptography-tab";
import { DecisionsTab } from "./decisions-tab";
import type { KeyFacts, TabProps } from "./facts";
import { GrantsTab } from "./grants-tab";
import { HistoryTab } from "./history-tab";
import { MaterialTab } from "./material-tab";
import { PolicyTab } from "./policy-tab";
import { PublicKeyTab } from "./public-key-tab";
import { RotationTab } from "./rotation-tab";
import { TagsTab } from "./tags-tab";

export interface TabRow {
  id: string;
  label: string;
  tab: ComponentType<TabProps>;
  fits: (facts: KeyFacts) => boolean;
  /** What it shows outlives the key. */
  ofRecord?: true;
  /** It asks for the past by itself. In the past, the other tabs show what the page was answered, and nothing without that. */
  asksForPast?: true;
  /** What it shows is only known of the present. */
  ofPresent?: true;
  /** An imported trail can be asked for it. */
  ofTrail?: true;
}

const every = () => true;
const customer = (facts: KeyFacts) => !facts.managed;
const symmetric = (facts: KeyFacts) => facts.spec === "SYMMETRIC_DEFAULT";
const pair = (facts: KeyFacts) => !symmetric(facts) && !facts.spec.startsWith("HMAC_");
const imported = (facts: KeyFacts) => facts.origin === "EXTERNAL";

const TABS: readonly TabRow[] = [
  { id: "policy", label: "Key policy", tab: PolicyTab, fits: every, asksForPast: true, ofTrail: true },
  { id: "cryptography", label: "Cryptographic configuration", tab: CryptographyTab, fits: every, ofTrail: true },
  { id: "tags", label: "Tags", tab: TagsTab, fits: every, ofTrail: true },
  { id: "rotation", label: "Key rotation", tab: RotationTab, fits: symmetric, ofTrail: true },
  { id: "material", label: "Imported key material", tab: MaterialTab, fits: imported, ofPresent: true },
  { id: "public-key", label: "Public key", tab: PublicKeyTab, fits: pair },
  { id: "aliases", label: "Aliases", tab: AliasesTab, fits: customer, ofTrail: true },
  { id: "grants", label: "Grants", tab: GrantsTab, fits: every, ofTrail: true },
  { id: "history", label: "History", tab: HistoryTab, fits: every, asksForPast: true, ofRecord: true, ofTrail: true },
  { id: "access", label: "Access", tab: AccessTab, fits: every, asksForPast: true, ofTrail: true },
  { id: "decisions", label: "Decisions", tab: DecisionsTab, fits: every, asksForPast: true, ofRecord: true, ofTrail: true },
  { id: "alerts", label: "Alerts", tab: AlertsTab, fits: every, asksForPast: true, ofRecord: true },
];

export interface Looked {
  /** Null while they are asked for, or if they are refused. */
  facts: KeyFacts | null;
  at: string | null;
  trail: string | null;
  /** The key does not exist at that time. */
  gone: boolean;
}

/** The tabs that the page has. Now, one may still show what its user may see if the facts are refused. In the past, a tab that shows
 * the facts has nothing of its own to ask: it would show the present. */
export function tabsFor({ facts, at, trail, gone }: Looked): readonly TabRow[] {
  return TABS.filter(
    (each) =>
      (trail === null || each.ofTrail === true) &&
      (at === null || each.ofPresent !== true) &&
      (facts !== null ? each.fits(facts) : gone ? each.ofRecord === true : at === null || each.asksForPast === true),
  );
}
