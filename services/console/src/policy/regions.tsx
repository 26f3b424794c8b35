/** Two policies compared by their meaning: what becomes allowed and denied, to whom, each with an example request. */

import Box from "@cloudscape-design/components/box";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";

import { current } from "../session/session";
import { visible } from "../shown/visible";
import type { AnswerOf } from "../v1/client";
import { condition, type Decider, type ShownCondition, type ShownPrincipal, short, statement, whom } from "./words";

export type Difference = AnswerOf<"/v1/keys/{key}/diff", "post">;

interface Region {
  principals: ShownPrincipal[];
  actions: string[];
  conditions: ShownCondition[];
  resources?: string[];
  before: string;
  after: string;
  witness?: {
    principal: string;
    action: string;
    context: Record<string, string[]>;
    with: string;
    refused: { by: Decider };
    allowed: { by: Decider; delegation?: Decider };
  };
}

interface Unknown {
  why?: string;
  allowed?: Region;
  denied?: Region;
  statements?: { by: Decider; condition: { key: string; operator: string; wanted: string[] }; why: string }[];
}

/** What /v1 says of a key policy's answer, for a reader who does not know how the evaluator goes. */
const ANSWERS: Readonly<Record<string, string>> = {
  denied: "denied by the key policy, whatever else allows it",
  "not allowed": "not allowed by the key policy",
  "left to identity policies": "allowed only if an identity policy of the principal allows it",
  "allowed within boundary and session policy": "allowed by the key policy itself, as far as the principal's boundary and session policy let it",
  allowed: "allowed by the key policy itself",
};
const REFUSED = ["denied", "not allowed"];
const NARROWED = "Needs more than the key policy";

export function Meaning({ found }: { found: Difference }) {
  const account = current()?.identity.account ?? "";
  const [allowed, denied, unknown] = [found.allowed, found.denied, found.unknown] as unknown as [Region[], Region[], Unknown[]];
  const refused = denied.filter((each) => REFUSED.includes(each.after));
  const narrowed = denied.filter((each) => !REFUSED.includes(each.after));
  return (
    <SpaceBetween size="s">
      {found.answer === "equivalent" && (
        <StatusIndicator type="success">The two mean the same: no request is answered differently.</StatusIndicator>
      )}
      <Regions title="Becomes allowed" none="Nothing becomes allowed." regions={allowed} account={account} shown={found.answer !== "equivalent"} />
      <Regions title="Becomes denied" none="Nothing becomes denied." regions={refused} account={account} shown={found.answer !== "equivalent"} />
      <Regions title={NARROWED} none="" regions={narrowed} account={account} shown={narrowed.length > 0} />
      {unknown.length > 0 && (
        <div>
          <Box variant="h4">Not known</Box>
          <ul>
            {unknown.map((each, index) => (
              <li key={index}>
                {[...(each.allowed === undefined ? [] : [each.allowed]), ...(each.denied === undefined ? [] : [each.denied])].map(
                  (region, place) => (
                    <OneRegion key={place} region={region} account={account} />
                  ),
                )}
                {each.why !== undefined && <Box variant="p">{visible(each.why)}</Box>}
                {each.statements?.map(({ by, condition: test, why }, place) => (
                  <Box variant="p" key={place}>
                    {visible(`${statement(by, account)}, ${test.key} ${test.operator} ${test.wanted.join(" or ")}: ${why}`)}
                  </Box>
                ))}
              </li>
            ))}
          </ul>
        </div>
      )}
    </SpaceBetween>
  );
}

interface RegionsProps {
  title: string;
  none: string;
  regions: Region[];
  account: string;
  shown: boolean;
}

function Regions({ title, none, regions, account, shown }: RegionsProps) {
  if (!shown) return null;
  return (
    <div>
      <Box variant="h4">
        <StatusIndicator type={regions.length === 0 ? "stopped" : title === "Becomes denied" ? "error" : "warning"}>{title}</StatusIndicator>
      </Box>
      {regions.length === 0 ? (
        <Box color="text-body-secondary">{none}</Box>
      ) : (
        <ul aria-label={title}>
          {regions.map((region, index) => (
            <li key={index}>
              <OneRegion region={region} account={account} />
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function OneRegion({ region, account }: { region: Region; account: string }) {
  const conditions = region.conditions.map(condition).join("; and ");
  const { witness } = region;
  return (
    <SpaceBetween size="xxs">
      <Box>
        <strong>{visible(whom(region.principals, account).join(", "))}</strong>: {visible(region.actions.join(", "))}
      </Box>
      <Box color="text-body-secondary" fontSize="body-s">
        {visible(`Before: ${ANSWERS[region.before] ?? region.before}. Then: ${ANSWERS[region.after] ?? region.after}`)}
        {region.resources !== undefined && visible(`, on ${region.resources.join(", ")}`)}
        {conditions !== "" && visible(`, where ${conditions}`)}
      </Box>
      {witness !== undefined && (
        <ExpandableSection variant="inline" headerText="An example request">
          <KeyValuePairs
            columns={2}
            items={[
              { label: "Principal", value: visible(short(witness.principal, account)) },
              { label: "Action", value: visible(witness.action) },
              {
                label: "Context",
                value: visible(
                  Object.entries(witness.context)
                    .map(([name, values]) => `${name} = ${values.join(" or ")}`)
                    .join("; ") || "none",
                ),
              },
              { label: "The principal has", value: visible(witness.with) },
              {
                label: "Allowed by",
                value: visible(
                  statement(witness.allowed.by, account) +
                    (witness.allowed.delegation === undefined ? "" : `, delegated by ${statement(witness.allowed.delegation, account)}`),
                ),
              },
              { label: "Refused by", value: visible(statement(witness.refused.by, account)) },
            ]}
          />
        </ExpandableSection>
      )}
    </SpaceBetween>
  );
}
