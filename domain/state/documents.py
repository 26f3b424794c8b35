"""Aggregates as JSON documents, and back: what snapshots and the history keep of them.

What follows from the rest (a key's state, a compiled policy, an index) is not in a document, it is worked out again. A
key's policy is kept apart from its document, because most keys have the same one: `key_document` leaves its text out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from domain.aliases.alias import Alias
from domain.crypto.specs import SPECS
from domain.grants.grant import Grant
from domain.identities.account import Account, Service
from domain.identities.directory import role_parts
from domain.identities.identity import AccessKey, Identity, InlinePolicy, InstanceProfile, ManagedPolicy, PolicyVersion
from domain.keys.key import Key, Material, Schedule, current_of, state_of

Document = dict[str, Any]


def key_document(key: Key) -> Document:
    """Without the text of its policy."""
    return {
        "id": key.id,
        "arn": key.arn,
        "account": key.account,
        "spec": key.spec.name,
        "usage": key.usage,
        "origin": key.origin,
        "description": key.description,
        "enabled": key.enabled,
        "deletion": key.deletion,
        "created": key.created,
        "materials": [asdict(each) for each in key.materials],
        "public_key": key.public_key,
        "schedule": asdict(key.schedule) if key.schedule else None,
        "manager": key.manager,
        "tags": dict(key.tags),
        "policy_version": key.policy_version,
        "principals": dict(key.principals),
    }


def key_from(document: Mapping[str, Any], policy_text: str) -> Key:
    materials = tuple(_material(each) for each in document["materials"])
    derived = {
        "spec": SPECS[document["spec"]],
        "materials": materials,
        "current": current_of(materials),
        "state": state_of(document["enabled"], document["deletion"], materials),
        "schedule": Schedule(**document["schedule"]) if document["schedule"] else None,
        "policy_text": policy_text,
    }
    return Key(**{**document, **derived})


def _material(document: Document) -> Material:
    # Most material is stored under its id: one text and not two.
    return Material(**document | ({"stored": document["id"]} if document["stored"] == document["id"] else {}))


def alias_document(alias: Alias) -> Document:
    return asdict(alias)


def alias_from(document: Mapping[str, Any]) -> Alias:
    return Alias(**document)


def grant_document(grant: Grant) -> Document:
    return asdict(grant) | {"operations": sorted(grant.operations)}


def grant_from(document: Mapping[str, Any]) -> Grant:
    return Grant(**{**document, "operations": frozenset(document["operations"])})


def account_document(account: Account) -> Document:
    document: Document = {"id": account.id, "created": account.created, "access_keys": dict(account.access_keys)}
    # Left out where there is none: rows that were written before there were aliases stay as they are.
    return document | ({"alias": account.alias} if account.alias else {})


def account_from(document: Mapping[str, Any]) -> Account:
    return Account(**document)


def service_document(service: Service) -> Document:
    return asdict(service)


def service_from(document: Mapping[str, Any]) -> Service:
    return Service(**document)


def profile_document(profile: InstanceProfile) -> Document:
    return asdict(profile)


def profile_from(document: Mapping[str, Any]) -> InstanceProfile:
    return InstanceProfile(**document)


def policy_document(policy: ManagedPolicy) -> Document:
    return asdict(policy)


def policy_from(document: Mapping[str, Any]) -> ManagedPolicy:
    versions = {name: PolicyVersion(**held) for name, held in document["versions"].items()}
    return ManagedPolicy(**{**document, "versions": versions})


def identity_document(identity: Identity) -> Document:
    document = {each.name: getattr(identity, each.name) for each in fields(identity)}
    document["inline"] = {name: asdict(policy) for name, policy in identity.inline.items()}
    document["access_keys"] = {name: asdict(held) for name, held in identity.access_keys.items()}
    role = identity.role
    if role is not None:
        parts = {each.name: getattr(role, each.name) for each in fields(role) if each.name != "policy"}
        document["role"] = parts | {"arn": identity.arn}
    return document


def identity_from(document: Mapping[str, Any]) -> Identity:
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
