"""What a row of the history holds: an aggregate as it was, and worlds that are made of some of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from domain.aliases.alias import Alias
from domain.grants.grant import Grant
from domain.identities.account import Account, Service
from domain.identities.identity import Identity, InstanceProfile, ManagedPolicy
from domain.identities.mfa_devices import MfaDevice
from domain.identities.oidc_providers import OidcProvider
from domain.keys.key import Key
from domain.state import documents
from domain.state.key_index import KeyIndex
from domain.state.world import World
from projections.history.project import (
    ACCOUNT,
    ALIAS,
    GRANT,
    IDENTITY,
    KEY,
    MFA_DEVICE,
    OIDC_PROVIDER,
    POLICY,
    PROFILE,
    SERVICE,
)

VersionRow = Any
"""A row of the history, with the columns of `queries.COLUMNS`."""


def aggregate_of(
    row: VersionRow,
) -> (
    Key
    | Alias
    | Grant
    | Account
    | Identity
    | InstanceProfile
    | ManagedPolicy
    | MfaDevice
    | OidcProvider
    | tuple[str, Service]
):
    """The aggregate in a row; a service comes with its access key."""
    if row["kind"] == KEY:
        return _key_of(row)
    document = orjson.loads(row["document"])
    match row["kind"]:
        case "alias":
            return documents.alias_from(document)
        case "grant":
            return documents.grant_from(document)
        case "account":
            return documents.account_from(document)
        case "identity":
            return documents.identity_from(document)
        case "policy":
            return documents.policy_from(document)
        case "instance-profile":
            return documents.profile_from(document)
        case "mfa":
            return documents.mfa_from(document)
        case "oidc-provider":
            return documents.oidc_from(document)
    return document.pop("access_key"), documents.service_from(document)


ORDER = {
    kind: place
    for place, kind in enumerate(
        (ACCOUNT, SERVICE, POLICY, IDENTITY, PROFILE, MFA_DEVICE, OIDC_PROVIDER, KEY, ALIAS, GRANT)
    )
}


def _key_of(row: VersionRow) -> Key:
    return documents.key_from(orjson.loads(row["document"]), row["text"])


def world_of(
    rows: Iterable[VersionRow],
    region: str,
    position: int,
    at: int,
    *,
    keys_later: bool = False,
    of_trail: bool = False,
) -> World:
    """A world that holds only these rows. The evaluator reads it like any world. With `keys_later`, a key is made of its row
    when it is first asked for: for a world with all keys that answers one question, and is thrown away. `of_trail`: see World."""
    world = World(region=region, position=position, at=at, of_trail=of_trail)
    if keys_later:
        rows = list(rows)
        keys = {row["id"]: (row["account"], row) for row in rows if row["kind"] == KEY}
        rows = [row for row in rows if row["kind"] != KEY]
        world.key_index = KeyIndex.read_later(keys, _key_of)
    # Grants are in the order of their creation: if several would allow a call, the first decides.
    for row in sorted(rows, key=lambda row: (ORDER[row["kind"]], row["position"])):
        match aggregate_of(row):
            case Account() as account:
                world.accounts[account.id] = account
                world.access_keys.update(dict.fromkeys(account.access_keys, account.id))
            case ManagedPolicy() as policy:
                world.directory.add_policy(policy)
            case Identity() as identity:
                world.directory.add(identity)
            case InstanceProfile() as profile:
                world.directory.add_profile(profile)
            case MfaDevice() as device:
                world.directory.add_mfa_device(device)
            case OidcProvider() as provider:
                world.directory.oidc[provider.arn] = provider
            case Key() as key:
                world.add_key(key)
            case Alias() as alias:
                world.add_alias(alias)
            case Grant() as grant:
                world.add_grant(grant)
            case (access_key, service):
                world.services[access_key] = service
    return world
