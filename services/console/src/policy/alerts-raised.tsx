/** Which alerts a draft would raise. */

import Badge from "@cloudscape-design/components/badge";
import Box from "@cloudscape-design/components/box";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import StatusIndicator from "@cloudscape-design/components/status-indicator";

import { useAnswer } from "../shown/answer";
import { Problem } from "../shown/problem";
import { summaryWords } from "../shown/summary";
import { visible } from "../shown/visible";
import { v1 } from "../v1/client";

interface Raised {
  id?: string;
  title: string;
  severity: string;
  summary: string;
  means?: string;
  suppressed?: object | null;
}

type Severity = "severity-critical" | "severity-high" | "severity-medium" | "severity-low" | "severity-neutral";

const COLOURS: Readonly<Record<string, Severity>> = {
  critical: "severity-critical",
  high: "severity-high",
  medium: "severity-medium",
  low: "severity-low",
};

export function AlertsRaised({ keyId, draft }: { keyId: string; draft: string }) {
  const [answer, again] = useAnswer(`alerts ${keyId} ${draft}`, (signal) =>
    v1().post("/v1/keys/{key}/alerts", { path: { key: keyId }, body: { policy: draft } }, signal),
  );
  if (answer.state === "fault") return <Problem fault={answer.fault} again={again} />;
  if (answer.state === "loading") return <Waiting text="Asking the alert rules" />;
  const raised = answer.value.items as unknown as Raised[];
  if (raised.length === 0) return <StatusIndicator type="success">No alert would be raised.</StatusIndicator>;
  return (
    <ul aria-label="Alerts that the draft would raise">
      {raised.map((each, index) => (
        <li key={index}>
          <SpaceBetween size="xxs">
            <SpaceBetween direction="horizontal" size="xs">
              <Badge color={COLOURS[each.severity] ?? "severity-neutral"}>{visible(each.severity)}</Badge>
              <strong>{visible(each.title)}</strong>
              {each.suppressed !== null && each.suppressed !== undefined && <Badge>on the allow-list</Badge>}
            </SpaceBetween>
            <Box>{visible(summaryWords(each.summary))}</Box>
            {each.means !== undefined && (
              <Box color="text-body-secondary" fontSize="body-s">
                {visible(each.means)}
              </Box>
            )}
          </SpaceBetween>
        </li>
      ))}
    </ul>
  );
}

export function Waiting({ text }: { text: string }) {
  return (
    <Box>
      <Spinner /> {text}
    </Box>
  );
}
