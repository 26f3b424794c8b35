import type { Session } from "../session/session";

/** The end of the caller's ARN, as a reader recognises it: user/alice. */
export function nameOf({ identity }: Session): string {
  return identity.arn.split(":").slice(5).join(":");
}
