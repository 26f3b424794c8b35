/** What IAM changes of a user, a group or a role beside their policies: members, boundaries, and that they are there. */

import {
  AddUserToGroupCommand,
  DeleteGroupCommand,
  DeletePolicyCommand,
  DeleteRoleCommand,
  DeleteRolePermissionsBoundaryCommand,
  DeleteUserCommand,
  DeleteUserPermissionsBoundaryCommand,
  PutRolePermissionsBoundaryCommand,
  PutUserPermissionsBoundaryCommand,
  RemoveUserFromGroupCommand,
} from "@aws-sdk/client-iam";

import { iam } from "../aws";
import type { KindName } from "./kinds";

export async function join(UserName: string, GroupName: string): Promise<unknown> {
  return (await iam()).send(new AddUserToGroupCommand({ UserName, GroupName }));
}

export async function leave(UserName: string, GroupName: string): Promise<unknown> {
  return (await iam()).send(new RemoveUserFromGroupCommand({ UserName, GroupName }));
}

/** A group has no boundary. */
export type Bounded = Exclude<KindName, "group">;

/** `arn` "" takes the boundary away. */
export async function setBoundary(kind: Bounded, name: string, arn: string): Promise<unknown> {
  const client = await iam();
  if (kind === "user") {
    return arn === ""
      ? client.send(new DeleteUserPermissionsBoundaryCommand({ UserName: name }))
      : client.send(new PutUserPermissionsBoundaryCommand({ UserName: name, PermissionsBoundary: arn }));
  }
  return arn === ""
    ? client.send(new DeleteRolePermissionsBoundaryCommand({ RoleName: name }))
    : client.send(new PutRolePermissionsBoundaryCommand({ RoleName: name, PermissionsBoundary: arn }));
}

/** A policy is named by its ARN. */
export async function remove(kind: KindName | "policy", name: string): Promise<unknown> {
  const client = await iam();
  switch (kind) {
    case "user":
      return client.send(new DeleteUserCommand({ UserName: name }));
    case "group":
      return client.send(new DeleteGroupCommand({ GroupName: name }));
    case "role":
      return client.send(new DeleteRoleCommand({ RoleName: name }));
    case "policy":
      return client.send(new DeletePolicyCommand({ PolicyArn: name }));
  }
}
