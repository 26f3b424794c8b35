/** How bad an alert is, as a word and a colour. */

import Badge, { type BadgeProps } from "@cloudscape-design/components/badge";
import StatusIndicator from "@cloudscape-design/components/status-indicator";

import { visible } from "../shown/visible";

const COLOURS: Readonly<Record<string, BadgeProps["color"]>> = {
  info: "severity-neutral",
  low: "severity-low",
  medium: "severity-medium",
  high: "severity-high",
  critical: "severity-critical",
};

export function SeverityBadge({ severity }: { severity: string }) {
  return <Badge color={COLOURS[severity] ?? "grey"}>{visible(severity)}</Badge>;
}

export function AlertStateShown({ state }: { state: string }) {
  if (state === "resolved") return <StatusIndicator type="success">Resolved</StatusIndicator>;
  if (state === "acknowledged") return <StatusIndicator type="in-progress">Acknowledged</StatusIndicator>;
  return <StatusIndicator type="warning">Open</StatusIndicator>;
}
