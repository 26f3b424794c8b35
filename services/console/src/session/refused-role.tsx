/** Why a role was not assumed: who decides, the server's own words, and where it is explained. */

import Box from "@cloudscape-design/components/box";
import SpaceBetween from "@cloudscape-design/components/space-between";

import type { Fault } from "../shown/fault";
import { Problem } from "../shown/problem";
import { whoRefused } from "./role";

export function RefusedRole({ fault, again }: { fault: Fault; again?: () => void }) {
  const who = whoRefused(fault.message);
  return (
    <SpaceBetween size="xs">
      <Problem fault={fault} {...(again === undefined ? {} : { again })} />
      {who !== null && <Box variant="p">{who}</Box>}
    </SpaceBetween>
  );
}
