"""The directory of identities in a snapshot: to JSON and back."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from domain.identities.directory import Directory, role_parts
from domain.identities.identity import AccessKey, Identity, InlinePolicy, ManagedPolicy, PolicyVersion


def directory_document(directory: Directory) -> dict[str, Any]:
    return {
        "identities": [_identity_document(each) for each in directory.identities.values()],
        "policies": [asdict(policy) for policy in directory.policies.values()],
        "former": {access_key: list(was) for access_key, was in directory.former.items()},
        "changes": directory.changes,
    }


def _identity_document(identity: Identity) -> dict[str, Any]:
    document = {each.name: getattr(identity, each.name) for each in fields(identity)}
    document["inline"] = {name: asdict(policy) for name, policy in identity.inline.items()}
    document["access_keys"] = {name: asdict(held) for name, held in identity.access_keys.items()}
    role = identity.role
    if role is not None:
        parts = {each.name: getattr(role, each.name) for each in fields(role) if each.name != "policy"}
        document["role"] = parts | {"arn": identity.arn}
    return document


def directory_from(document: dict[str, Any]) -> Directory:
    directory = Directory(changes=document["changes"])
    for policy in document["policies"]:
        versions = {name: PolicyVersion(**held) for name, held in policy["versions"].items()}
        directory.add_policy(ManagedPolicy(**{**policy, "versions": versions}))
    for identity in document["identities"]:
        directory.add(_identity(identity))
    directory.former.update((access_key, (was[0], was[1])) for access_key, was in document["former"].items())
    return directory


def _identity(document: dict[str, Any]) -> Identity:
    return Identity(
        **{
            **document,
            "inline": {name: InlinePolicy(**policy) for name, policy in document["inline"].items()},
            "access_keys": {name: AccessKey(**held) for name, held in document["access_keys"].items()},
            "attached": tuple(document["attached"]),
            "groups": tuple(document["groups"]),
            "role": None if document["role"] is None else role_parts(**document["role"]),
        }
    )
