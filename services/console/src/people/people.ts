/** The account's users and roles, whom a key policy can name. */

import { ListRolesCommand, ListUsersCommand } from "@aws-sdk/client-iam";

import { iam } from "../aws";

export interface Person {
  arn: string;
  name: string;
  kind: "User" | "Role";
}

export interface People {
  people: readonly Person[];
  /** There are more than are listed. */
  more: boolean;
}

const MOST = 5000; // of each kind: five answers of IAM
const PIECE = 1000;

interface Entry {
  Arn: string | undefined;
  UserName?: string | undefined;
  RoleName?: string | undefined;
}

/** One kind of them. IAM's lists have no search, so they are read whole up to a bound; beyond it an ARN can be typed. */
async function all(kind: Person["kind"], signal: AbortSignal): Promise<People> {
  const people: Person[] = [];
  let marker: string | undefined;
  do {
    const request = { MaxItems: PIECE, ...(marker === undefined ? {} : { Marker: marker }) };
    const client = await iam();
    let found: readonly Entry[];
    if (kind === "User") {
      const answer = await client.send(new ListUsersCommand(request), { abortSignal: signal });
      found = answer.Users ?? [];
      marker = answer.IsTruncated === true ? answer.Marker : undefined;
    } else {
      const answer = await client.send(new ListRolesCommand(request), { abortSignal: signal });
      found = answer.Roles ?? [];
      marker = answer.IsTruncated === true ? answer.Marker : undefined;
    }
    for (const each of found) people.push({ arn: each.Arn ?? "", name: each.UserName ?? each.RoleName ?? "", kind });
  } while (marker !== undefined && people.length < MOST);
  return { people, more: marker !== undefined };
}

export async function everybody(signal: AbortSignal): Promise<People> {
  const [users, roles] = await Promise.all([all("User", signal), all("Role", signal)]);
  return { people: [...users.people, ...roles.people], more: users.more || roles.more };
}

const ARN = /^arn:aws:iam::\d{12}:(?:user|role)\/[!-)+->@-~]+$/;

export function isPerson(arn: string): boolean {
  return ARN.test(arn);
}
