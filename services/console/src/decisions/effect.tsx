/** Whether a call was let through. */

import StatusIndicator from "@cloudscape-design/components/status-indicator";

export function Effect({ effect }: { effect: string }) {
  const allowed = effect === "allowed";
  return <StatusIndicator type={allowed ? "success" : "error"}>{allowed ? "Allowed" : "Refused"}</StatusIndicator>;
}
