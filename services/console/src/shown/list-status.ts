/** What a list of suggestions says that is not there: that it is being asked for, or why it cannot be had. "None" would be taken for
 * the answer. */

import type { Answer } from "./answer";
import { visible } from "./visible";

export interface ListStatus {
  statusType: "finished" | "loading" | "error";
  loadingText: string;
  errorText: string;
}

export function listStatus(answer: Answer<unknown>): ListStatus {
  return {
    statusType: answer.state === "there" ? "finished" : answer.state === "fault" ? "error" : "loading",
    loadingText: "Asking",
    errorText: answer.state === "fault" ? `The list is not there: ${visible(answer.fault.message)}` : "",
  };
}
