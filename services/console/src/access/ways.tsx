/** The ways by which a principal may do something: each a statement or a grant, the delegation behind it, and what the request still
 * has to meet. */

import Box from "@cloudscape-design/components/box";
import StatusIndicator from "@cloudscape-design/components/status-indicator";

import { type Decider, open, type OpenTest, statement } from "../policy/words";
import { visible } from "../shown/visible";
import style from "./ways.module.css";

export interface Way {
  by: Decider;
  delegation?: Decider;
  open: OpenTest[];
}

export interface Holder {
  principal: string;
  kind: string | null;
  for_sure: boolean;
  paths: Way[];
  unless: { by: Decider; open: OpenTest[] }[];
}

export function wayInWords(way: Way, account: string): string {
  const by = statement(way.by, account);
  return way.delegation === undefined ? by : `${by}, delegated by ${statement(way.delegation, account)}`;
}

export function Ways({ holder, account }: { holder: Pick<Holder, "paths" | "unless">; account: string }) {
  return (
    <ul className={style.ways}>
      {holder.paths.map((way, index) => (
        <li key={index}>
          {visible(wayInWords(way, account))}
          {way.open.length > 0 && (
            <Box color="text-body-secondary" fontSize="body-s">
              only where {visible(open(way.open))}
            </Box>
          )}
        </li>
      ))}
      {holder.unless.map((each, index) => (
        <li key={`unless ${index}`}>
          <Box color="text-body-secondary" fontSize="body-s">
            unless {visible(open(each.open) || "denied")}: {visible(statement(each.by, account))}
          </Box>
        </li>
      ))}
    </ul>
  );
}

export function Certainty({ sure }: { sure: boolean }) {
  return sure ? <StatusIndicator type="success">Always</StatusIndicator> : <StatusIndicator type="info">Under conditions</StatusIndicator>;
}
