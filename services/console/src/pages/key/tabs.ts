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
}

const every = () => true;
const customer = (facts: KeyFacts) => !facts.managed;
const symmetric = (facts: KeyFacts) => facts.spec === "SYMMETRIC_DEFAULT";
const pair = (facts: KeyFacts) => !symmetric(facts) && !facts.spec.startsWith("HMAC_");
const imported = (facts: KeyFacts) => facts.origin === "EXTERNAL" && facts.past === null;

export const TABS: readonly TabRow[] = [
  { id: "policy", label: "Key policy", tab: PolicyTab, fits: every },
  { id: "cryptography", label: "Cryptographic configuration", tab: CryptographyTab, fits: every },
  { id: "tags", label: "Tags", tab: TagsTab, fits: every },
  { id: "rotation", label: "Key rotation", tab: RotationTab, fits: symmetric },
  { id: "material", label: "Imported key material", tab: MaterialTab, fits: imported },
  { id: "public-key", label: "Public key", tab: PublicKeyTab, fits: pair },
  { id: "aliases", label: "Aliases", tab: AliasesTab, fits: customer },
  { id: "grants", label: "Grants", tab: GrantsTab, fits: every },
  { id: "history", label: "History", tab: HistoryTab, fits: every, ofRecord: true },
  { id: "access", label: "Access", tab: AccessTab, fits: every },
  { id: "decisions", label: "Decisions", tab: DecisionsTab, fits: every, ofRecord: true },
  { id: "alerts", label: "Alerts", tab: AlertsTab, fits: every, ofRecord: true },
];
