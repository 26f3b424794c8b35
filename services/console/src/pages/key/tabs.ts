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
  /** An imported trail can be asked for it. */
  ofTrail?: true;
}

const every = () => true;
const customer = (facts: KeyFacts) => !facts.managed;
const symmetric = (facts: KeyFacts) => facts.spec === "SYMMETRIC_DEFAULT";
const pair = (facts: KeyFacts) => !symmetric(facts) && !facts.spec.startsWith("HMAC_");
const imported = (facts: KeyFacts) => facts.origin === "EXTERNAL" && facts.past === null;

export const TABS: readonly TabRow[] = [
  { id: "policy", label: "Key policy", tab: PolicyTab, fits: every, ofTrail: true },
  { id: "cryptography", label: "Cryptographic configuration", tab: CryptographyTab, fits: every, ofTrail: true },
  { id: "tags", label: "Tags", tab: TagsTab, fits: every, ofTrail: true },
  { id: "rotation", label: "Key rotation", tab: RotationTab, fits: symmetric, ofTrail: true },
  { id: "material", label: "Imported key material", tab: MaterialTab, fits: imported },
  { id: "public-key", label: "Public key", tab: PublicKeyTab, fits: pair },
  { id: "aliases", label: "Aliases", tab: AliasesTab, fits: customer, ofTrail: true },
  { id: "grants", label: "Grants", tab: GrantsTab, fits: every, ofTrail: true },
  { id: "history", label: "History", tab: HistoryTab, fits: every, ofRecord: true, ofTrail: true },
  { id: "access", label: "Access", tab: AccessTab, fits: every, ofTrail: true },
  { id: "decisions", label: "Decisions", tab: DecisionsTab, fits: every, ofRecord: true, ofTrail: true },
  { id: "alerts", label: "Alerts", tab: AlertsTab, fits: every, ofRecord: true },
];
