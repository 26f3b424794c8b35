"""OpenID Connect providers are registered, changed and deleted.

Source: IAM API reference, CreateOpenIDConnectProvider and its family (which calls are idempotent).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.authorization.caller import Caller
from domain.authorization.evaluate import may
from domain.authorization.question import in_account
from domain.authorization.verdict import Verdict
from domain.commands.identity_permissions import on_oidc_provider
from domain.commands.rules import CommandRules
from domain.errors import EntityExists, LimitExceeded
from domain.identities import limits
from domain.identities.oidc_providers import (
    MOST_CLIENT_IDS,
    MOST_OF_ACCOUNT,
    name_of,
    provider_arn,
    require_thumbprints,
)
from domain.log.identity_events import (
    OidcProviderClientIdsSet,
    OidcProviderCreated,
    OidcProviderDeleted,
    OidcProviderThumbprintsSet,
)
from domain.state.world import World


@dataclass(frozen=True, slots=True)
class CreateOidcProvider:
    url: str
    client_ids: Sequence[str]
    thumbprints: Sequence[str]
    tags: Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class SetThumbprints:
    arn: str
    thumbprints: Sequence[str]


@dataclass(frozen=True, slots=True)
class AddClientId:
    arn: str
    client_id: str


@dataclass(frozen=True, slots=True)
class RemoveClientId:
    arn: str
    client_id: str


@dataclass(frozen=True, slots=True)
class DeleteOidcProvider:
    arn: str


def permissions_to_create(command: CreateOidcProvider, caller: Caller, world: World) -> tuple[Verdict, ...]:
    """Raises InvalidInput: the URL is a part of the resource's name."""
    resource = in_account(provider_arn(caller.account, name_of(command.url)), caller.account)
    actions = ["iam:CreateOpenIDConnectProvider", *(["iam:TagOpenIDConnectProvider"] if command.tags else [])]
    return tuple(may(caller, each, resource) for each in actions)


def create(command: CreateOidcProvider, caller: Caller, world: World) -> OidcProviderCreated:
    """Raises InvalidInput, EntityExists, LimitExceeded."""
    name, clients, thumbprints = name_of(command.url), _once(command.client_ids), _once(command.thumbprints)
    held = world.directory.oidc
    if provider_arn(caller.account, name) in held:
        raise EntityExists(f"Provider with url {command.url} already exists.")
    limits.require_room(
        sum(each.account == caller.account for each in held.values()),
        MOST_OF_ACCOUNT,
        "OpenIdConnectProvidersPerAccount",
    )
    _require_clients(clients)
    require_thumbprints(thumbprints)
    return OidcProviderCreated(caller.account, name, clients, thumbprints, limits.tags_of(command.tags, {}))


def permissions_to_set(command: SetThumbprints, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_oidc_provider("iam:UpdateOpenIDConnectProviderThumbprint", command.arn, caller, world)


def set_thumbprints(command: SetThumbprints, caller: Caller, world: World) -> OidcProviderThumbprintsSet:
    """Raises NoSuchEntity, InvalidInput."""
    provider, thumbprints = world.directory.oidc_provider(command.arn, caller.account), _once(command.thumbprints)
    require_thumbprints(thumbprints)
    return OidcProviderThumbprintsSet(caller.account, provider.name, thumbprints)


def permissions_to_add(command: AddClientId, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_oidc_provider("iam:AddClientIDToOpenIDConnectProvider", command.arn, caller, world)


def add(command: AddClientId, caller: Caller, world: World) -> OidcProviderClientIdsSet:
    """A client id that is there already stays there. Raises NoSuchEntity, LimitExceeded."""
    provider = world.directory.oidc_provider(command.arn, caller.account)
    clients = _once([*provider.client_ids, command.client_id])
    _require_clients(clients)
    return OidcProviderClientIdsSet(caller.account, provider.name, clients)


def permissions_to_remove(command: RemoveClientId, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_oidc_provider("iam:RemoveClientIDFromOpenIDConnectProvider", command.arn, caller, world)


def remove(command: RemoveClientId, caller: Caller, world: World) -> OidcProviderClientIdsSet:
    """It is no error if the client id is not there. Raises NoSuchEntity."""
    provider = world.directory.oidc_provider(command.arn, caller.account)
    clients = tuple(each for each in provider.client_ids if each != command.client_id)
    return OidcProviderClientIdsSet(caller.account, provider.name, clients)


def permissions_to_delete(command: DeleteOidcProvider, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_oidc_provider("iam:DeleteOpenIDConnectProvider", command.arn, caller, world)


def delete(command: DeleteOidcProvider, caller: Caller, world: World) -> OidcProviderDeleted:
    """Roles that trust it stay, and admit nobody by it. Raises NoSuchEntity."""
    return OidcProviderDeleted(caller.account, world.directory.oidc_provider(command.arn, caller.account).name)


def _once(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _require_clients(clients: Sequence[str]) -> None:
    if len(clients) > MOST_CLIENT_IDS:
        raise LimitExceeded(f"Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {MOST_CLIENT_IDS}")


RULES: CommandRules = {
    CreateOidcProvider: (permissions_to_create, create),
    SetThumbprints: (permissions_to_set, set_thumbprints),
    AddClientId: (permissions_to_add, add),
    RemoveClientId: (permissions_to_remove, remove),
    DeleteOidcProvider: (permissions_to_delete, delete),
}
