/** Names as a reader recognises them, in the form that the command line has too: a principal of one's own account without the
 * beginning of its ARN, a key by its alias. */

import { current } from "../session/session";
import { visible } from "./visible";

const PRINCIPAL = /^arn:[^:]+:(?:iam|sts)::(\d{12}):(.+)$/;

export function principalName(arn: string | null | undefined): string {
  if (arn === null || arn === undefined || arn === "") return "–";
  const [, account, rest] = PRINCIPAL.exec(arn) ?? [];
  return visible(rest !== undefined && account === current()?.identity.account ? rest : arn);
}

const USER = /^arn:[^:]+:iam::\d{12}:user\/(?:.*\/)?([^/]+)$/;

/** The name of an IAM user, without its path; null for any other principal. */
export function userName(arn: string): string | null {
  return USER.exec(arn)?.[1] ?? null;
}

export function keyName(key: { key_id?: string | null; key_aliases?: readonly string[] }): string {
  const alias = key.key_aliases?.[0];
  if (alias !== undefined) return visible(alias);
  return key.key_id === null || key.key_id === undefined ? "–" : visible(key.key_id);
}

export function policyName(arn: string): string {
  const key = /^arn:[^:]+:kms:[^:]*:\d{12}:key\/(.+)$/.exec(arn)?.[1];
  return key === undefined ? principalName(arn) : `the key policy of ${visible(key)}`;
}
