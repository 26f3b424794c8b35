"""The directory of identities in a snapshot: to JSON and back."""

from __future__ import annotations

from typing import Any

from domain.identities.directory import CutOff, Directory
from domain.state import documents


def directory_document(directory: Directory) -> dict[str, Any]:
    return {
        "identities": [documents.identity_document(each) for each in directory.identities.values()],
        "policies": [documents.policy_document(policy) for policy in directory.policies.values()],
        "profiles": [documents.profile_document(each) for each in directory.profiles.values()],
        "mfa": [documents.mfa_document(each) for each in directory.mfa.by_serial.values()],
        "oidc": [documents.oidc_document(each) for each in directory.oidc.values()],
        "former": {access_key: list(was) for access_key, was in directory.former.items()},
        "cut_off": [[access_key, *each] for access_key, each in directory.cut_off.items()],
        "changes": directory.changes,
    }


def directory_from(document: dict[str, Any]) -> Directory:
    directory = Directory(changes=document["changes"])
    for policy in document["policies"]:
        directory.add_policy(documents.policy_from(policy))
    for identity in document["identities"]:
        directory.add(documents.identity_from(identity))
    for profile in document.get("profiles", ()):  # a snapshot of an earlier version has none
        directory.add_profile(documents.profile_from(profile))
    for device in document.get("mfa", ()):  # a snapshot of an earlier version has none
        directory.add_mfa_device(documents.mfa_from(device))
    for provider in map(documents.oidc_from, document.get("oidc", ())):  # see above
        directory.oidc[provider.arn] = provider
    directory.former.update((access_key, (was[0], was[1])) for access_key, was in document["former"].items())
    # Earlier versions made no console sessions, so their snapshots ended none.
    directory.cut_off.update((access_key, CutOff(*rest)) for access_key, *rest in document.get("cut_off", ()))
    return directory
