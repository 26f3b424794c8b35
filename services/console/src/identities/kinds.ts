/** What IAM can do with a user, a group or a role: the same questions by other names. */

import {
  AttachGroupPolicyCommand,
  AttachRolePolicyCommand,
  AttachUserPolicyCommand,
  DeleteGroupPolicyCommand,
  DeleteRolePolicyCommand,
  DeleteUserPolicyCommand,
  DetachGroupPolicyCommand,
  DetachRolePolicyCommand,
  DetachUserPolicyCommand,
  GetGroupCommand,
  GetGroupPolicyCommand,
  GetRoleCommand,
  GetRolePolicyCommand,
  GetUserCommand,
  GetUserPolicyCommand,
  ListAttachedGroupPoliciesCommand,
  ListAttachedRolePoliciesCommand,
  ListAttachedUserPoliciesCommand,
  ListGroupPoliciesCommand,
  ListGroupsCommand,
  ListPoliciesCommand,
  ListRolePoliciesCommand,
  ListRolesCommand,
  ListUserPoliciesCommand,
  ListUsersCommand,
  NoSuchEntityException,
  PutGroupPolicyCommand,
  PutRolePolicyCommand,
  PutUserPolicyCommand,
  type IAMClient,
} from "@aws-sdk/client-iam";

import { iam } from "../aws";
import type { Piece } from "../shown/listing";

export type KindName = "user" | "group" | "role";
export const PIECE = 50;
/** How many of a list are there to choose from. Another one can be typed. */
export const MOST_CHOICES = 1000;

export interface Named {
  name: string;
  arn: string;
  created: Date | undefined;
  /** When a user last signed in with a password. */
  signedIn?: Date | undefined;
}

export interface OneIdentity extends Named {
  id: string;
  /** Of a role: who may assume it. */
  trust: string | null;
  /** The policy that bounds a user or role; null if there is none. */
  boundary: string | null;
}

interface Marked {
  IsTruncated?: boolean | undefined;
  Marker?: string | undefined;
}

export function piece<T>(items: readonly T[], answer: Marked): Piece<T> {
  return { items, next: answer.IsTruncated === true ? (answer.Marker ?? null) : null };
}

export function paged(cursor: string, most: number = PIECE): { MaxItems: number; Marker?: string } {
  return { MaxItems: most, ...(cursor === "" ? {} : { Marker: cursor }) };
}

export async function list(kind: KindName, cursor: string, abortSignal: AbortSignal, most: number = PIECE): Promise<Piece<Named>> {
  const client = await iam();
  switch (kind) {
    case "user": {
      const found = await client.send(new ListUsersCommand(paged(cursor, most)), { abortSignal });
      const users = (found.Users ?? []).map((each) => ({ ...named(each.UserName, each.Arn, each.CreateDate), signedIn: each.PasswordLastUsed }));
      return piece(users, found);
    }
    case "group": {
      const found = await client.send(new ListGroupsCommand(paged(cursor, most)), { abortSignal });
      return piece((found.Groups ?? []).map((each) => named(each.GroupName, each.Arn, each.CreateDate)), found);
    }
    case "role": {
      const found = await client.send(new ListRolesCommand(paged(cursor, most)), { abortSignal });
      return piece((found.Roles ?? []).map((each) => named(each.RoleName, each.Arn, each.CreateDate)), found);
    }
  }
}

export async function listPolicies(cursor: string, abortSignal: AbortSignal, most: number = PIECE): Promise<Piece<Named>> {
  const found = await (await iam()).send(new ListPoliciesCommand({ Scope: "Local", ...paged(cursor, most) }), { abortSignal });
  return piece((found.Policies ?? []).map((each) => named(each.PolicyName, each.Arn, each.CreateDate)), found);
}

export async function one(kind: KindName, name: string, abortSignal: AbortSignal): Promise<OneIdentity> {
  const client = await iam();
  switch (kind) {
    case "user": {
      const { User: each } = await client.send(new GetUserCommand({ UserName: name }), { abortSignal });
      const boundary = each?.PermissionsBoundary?.PermissionsBoundaryArn ?? null;
      return { ...identity(named(each?.UserName, each?.Arn, each?.CreateDate), each?.UserId), boundary };
    }
    case "group": {
      const { Group: each } = await client.send(new GetGroupCommand({ GroupName: name, MaxItems: 1 }), { abortSignal });
      return identity(named(each?.GroupName, each?.Arn, each?.CreateDate), each?.GroupId);
    }
    case "role": {
      const { Role: each } = await client.send(new GetRoleCommand({ RoleName: name }), { abortSignal });
      const trust = decodeURIComponent(each?.AssumeRolePolicyDocument ?? "");
      const boundary = each?.PermissionsBoundary?.PermissionsBoundaryArn ?? null;
      return { ...identity(named(each?.RoleName, each?.Arn, each?.CreateDate), each?.RoleId), trust, boundary };
    }
  }
}

function named(name: string | undefined, arn: string | undefined, created: Date | undefined): Named {
  return { name: name ?? "", arn: arn ?? "", created };
}

function identity(it: Named, id: string | undefined): OneIdentity {
  return { ...it, id: id ?? "", trust: null, boundary: null };
}

export async function attached(kind: KindName, name: string, cursor: string, abortSignal: AbortSignal): Promise<Piece<Named>> {
  const client = await iam();
  const page = paged(cursor);
  const found =
    kind === "user"
      ? await client.send(new ListAttachedUserPoliciesCommand({ UserName: name, ...page }), { abortSignal })
      : kind === "group"
        ? await client.send(new ListAttachedGroupPoliciesCommand({ GroupName: name, ...page }), { abortSignal })
        : await client.send(new ListAttachedRolePoliciesCommand({ RoleName: name, ...page }), { abortSignal });
  return piece((found.AttachedPolicies ?? []).map((each) => named(each.PolicyName, each.PolicyArn, undefined)), found);
}

export async function attach(kind: KindName, name: string, PolicyArn: string): Promise<unknown> {
  const client = await iam();
  switch (kind) {
    case "user":
      return client.send(new AttachUserPolicyCommand({ UserName: name, PolicyArn }));
    case "group":
      return client.send(new AttachGroupPolicyCommand({ GroupName: name, PolicyArn }));
    case "role":
      return client.send(new AttachRolePolicyCommand({ RoleName: name, PolicyArn }));
  }
}

export async function detach(kind: KindName, name: string, PolicyArn: string): Promise<unknown> {
  const client = await iam();
  switch (kind) {
    case "user":
      return client.send(new DetachUserPolicyCommand({ UserName: name, PolicyArn }));
    case "group":
      return client.send(new DetachGroupPolicyCommand({ GroupName: name, PolicyArn }));
    case "role":
      return client.send(new DetachRolePolicyCommand({ RoleName: name, PolicyArn }));
  }
}

export interface Inline {
  name: string;
  document: string;
}

/** The inline policies with their documents. */
export async function inline(kind: KindName, name: string, cursor: string, abortSignal: AbortSignal): Promise<Piece<Inline>> {
  const client = await iam();
  const page = paged(cursor);
  const found =
    kind === "user"
      ? await client.send(new ListUserPoliciesCommand({ UserName: name, ...page }), { abortSignal })
      : kind === "group"
        ? await client.send(new ListGroupPoliciesCommand({ GroupName: name, ...page }), { abortSignal })
        : await client.send(new ListRolePoliciesCommand({ RoleName: name, ...page }), { abortSignal });
  const documents = await Promise.all((found.PolicyNames ?? []).map((each) => inlineDocument(kind, name, each, abortSignal)));
  return piece(documents, found);
}

export async function inlineDocument(kind: KindName, name: string, PolicyName: string, abortSignal: AbortSignal): Promise<Inline> {
  const client = await iam();
  const found =
    kind === "user"
      ? await client.send(new GetUserPolicyCommand({ UserName: name, PolicyName }), { abortSignal })
      : kind === "group"
        ? await client.send(new GetGroupPolicyCommand({ GroupName: name, PolicyName }), { abortSignal })
        : await client.send(new GetRolePolicyCommand({ RoleName: name, PolicyName }), { abortSignal });
  return { name: PolicyName, document: decodeURIComponent(found.PolicyDocument ?? "") };
}

export async function putInline(client: IAMClient, kind: KindName, name: string, PolicyName: string, PolicyDocument: string): Promise<unknown> {
  switch (kind) {
    case "user":
      return client.send(new PutUserPolicyCommand({ UserName: name, PolicyName, PolicyDocument }));
    case "group":
      return client.send(new PutGroupPolicyCommand({ GroupName: name, PolicyName, PolicyDocument }));
    case "role":
      return client.send(new PutRolePolicyCommand({ RoleName: name, PolicyName, PolicyDocument }));
  }
}

/** Puts nothing over a policy that is there: IAM's own call would replace it. */
export async function makeInline(kind: KindName, name: string, PolicyName: string, PolicyDocument: string): Promise<unknown> {
  const client = await iam();
  try {
    await inlineDocument(kind, name, PolicyName, new AbortController().signal);
  } catch (thrown) {
    if (thrown instanceof NoSuchEntityException) return putInline(client, kind, name, PolicyName, PolicyDocument);
    throw thrown;
  }
  throw new Error("There is an inline policy of this name already. Choose another name, or edit that one.");
}

export async function deleteInline(kind: KindName, name: string, PolicyName: string): Promise<unknown> {
  const client = await iam();
  switch (kind) {
    case "user":
      return client.send(new DeleteUserPolicyCommand({ UserName: name, PolicyName }));
    case "group":
      return client.send(new DeleteGroupPolicyCommand({ GroupName: name, PolicyName }));
    case "role":
      return client.send(new DeleteRolePolicyCommand({ RoleName: name, PolicyName }));
  }
}
