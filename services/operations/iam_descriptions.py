"""Users, groups, roles and policies in the form of IAM's API. Policy documents are percent-encoded (API reference)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from domain.identities.holders import attached, bounded
from domain.identities.identity import GROUP, ROLE, Identity, InstanceProfile, ManagedPolicy
from domain.state.principals import shown
from domain.state.world import World
from services.operations.rows import Answer


def seconds(micros: int) -> float:
    return micros / 1_000_000


def encoded(document: str) -> str:
    return quote(document, safe="")


def tags(held: Mapping[str, str]) -> list[Answer]:
    return [{"Key": key, "Value": value} for key, value in held.items()]


def boundary(arn: str) -> Answer:
    return {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}


def brief(identity: Identity, world: World, *, trust: bool = True) -> Answer:
    """The members that a list shows; GetUser and GetRole also show boundary and tags. `trust`: with a role's trust policy."""
    noun = identity.kind.capitalize()
    result: Answer = {
        "Path": identity.path,
        f"{noun}Name": identity.name,
        f"{noun}Id": identity.id,
        "Arn": identity.arn,
        "CreateDate": seconds(identity.created),
    }
    if identity.role is not None:
        if trust:
            result["AssumeRolePolicyDocument"] = encoded(
                shown(identity.role.trust, identity.role.principals, world, identity.account)
            )
        result["MaxSessionDuration"] = identity.role.max_session
        if identity.role.description:
            result["Description"] = identity.role.description
    return result


def full(identity: Identity, world: World) -> Answer:
    result = brief(identity, world)
    if identity.kind == GROUP:
        return result
    if identity.boundary:
        result["PermissionsBoundary"] = boundary(identity.boundary)
    if identity.tags:
        result["Tags"] = tags(identity.tags)
    if identity.kind == ROLE:
        result["RoleLastUsed"] = {}
    return result


def profile(found: InstanceProfile, world: World, *, tags: bool = True, trust: bool = True) -> Answer:
    """GetInstanceProfile shows tags; a list does not. `trust`: with the role's trust policy."""
    role = world.directory.identities.get(found.role)
    result: Answer = {
        "Path": found.path,
        "InstanceProfileName": found.name,
        "InstanceProfileId": found.id,
        "Arn": found.arn,
        "CreateDate": seconds(found.created),
        "Roles": [] if role is None else [brief(role, world, trust=trust)],
    }
    if tags and found.tags:
        result["Tags"] = [{"Key": key, "Value": value} for key, value in found.tags.items()]
    return result


def policy(found: ManagedPolicy, world: World, account: str) -> Answer:
    """A policy as `account` sees it: for an AWS managed policy, only attachments in this account count."""
    directory = world.directory
    return {
        "PolicyName": found.name,
        "PolicyId": found.id,
        "Arn": found.arn,
        "Path": found.path,
        "DefaultVersionId": found.default,
        "AttachmentCount": len(attached(directory, found, account)),
        "PermissionsBoundaryUsageCount": len(bounded(directory, found, account)),
        "IsAttachable": True,
        "CreateDate": seconds(found.created),
        "UpdateDate": seconds(found.updated),
    }


def policy_in_full(found: ManagedPolicy, world: World, account: str) -> Answer:
    result = policy(found, world, account)
    if found.description:
        result["Description"] = found.description
    if found.tags:
        result["Tags"] = tags(found.tags)
    return result


def version(found: ManagedPolicy, name: str, *, document: bool) -> Answer:
    held = found.versions[name]
    result: dict[str, Any] = {
        "VersionId": name,
        "IsDefaultVersion": name == found.default,
        "CreateDate": seconds(held.created),
    }
    if document:
        result["Document"] = encoded(held.document)
    return result
