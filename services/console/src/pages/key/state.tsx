import StatusIndicator, { type StatusIndicatorProps } from "@cloudscape-design/components/status-indicator";

import { visible } from "../../shown/visible";

const TYPES: Readonly<Record<string, StatusIndicatorProps.Type>> = {
  Enabled: "success",
  Disabled: "stopped",
  PendingDeletion: "warning",
  PendingImport: "pending",
  Deleted: "error",
};
const NAMES: Readonly<Record<string, string>> = { PendingDeletion: "Pending deletion", PendingImport: "Pending import" };

export function KeyState({ state }: { state: string }) {
  return <StatusIndicator type={TYPES[state] ?? "info"}>{NAMES[state] ?? visible(state)}</StatusIndicator>;
}
