import Box from "@cloudscape-design/components/box";

import type { TabProps } from "./facts";

export function PolicyTab({ name }: TabProps) {
  return <Box color="text-body-secondary">The policy of {name} is not shown here yet.</Box>;
}
