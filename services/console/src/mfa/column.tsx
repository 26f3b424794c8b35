/** Whether each user in a list has an MFA device: one question for all of them. */

import type { TableProps } from "@cloudscape-design/components/table";

import type { Named } from "../identities/kinds";
import { useAnswer } from "../shown/answer";
import { usersWithDevices } from "./devices";

/** No column for other lists, nor for a reader who may not ask. */
export function useMfaColumn(wanted: boolean, round: number): readonly TableProps.ColumnDefinition<Named>[] {
  const [answer] = useAnswer(`users with mfa devices ${wanted}`, (signal) => (wanted ? usersWithDevices(signal) : Promise.resolve(null)), round);
  if (!wanted || answer.state === "fault") return [];
  const found = answer.value;
  const words = (arn: string) => {
    if (found === null) return "…";
    if (found.users.has(arn)) return "Yes";
    return found.whole ? "No" : "–";
  };
  return [{ id: "mfa", header: "MFA", minWidth: 70, cell: (item) => <>{words(item.arn)}</> }];
}
