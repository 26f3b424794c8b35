"""CreateAlias, UpdateAlias, DeleteAlias, ListAliases."""

from __future__ import annotations

from collections.abc import Sequence

from domain.authorization.context import Parameters
from domain.authorization.verdict import OTHER_ACCOUNT, Verdict
from domain.commands.aliases import CreateAlias, DeleteAlias, UpdateAlias
from domain.state.world import World
from services.operations.keys import page
from services.operations.markers import after_marker
from services.operations.rows import Answer, Preparation, Request, in_own_account


def create_alias(parameters: Parameters, made: Preparation) -> CreateAlias:
    return CreateAlias(parameters["AliasName"], parameters["TargetKeyId"])


def update_alias(parameters: Parameters, made: Preparation) -> UpdateAlias:
    return UpdateAlias(parameters["AliasName"], parameters["TargetKeyId"])


def delete_alias(parameters: Parameters, made: Preparation) -> DeleteAlias:
    return DeleteAlias(parameters["AliasName"])


def access_to_list(request: Request, world: World) -> Sequence[Verdict]:
    """ListAliases needs permission in the caller's own account. It is refused for a key of another account, even where the
    caller's account has an alias for that key (API reference, ListAliases: no cross-account use)."""
    account = request.caller.account
    if "KeyId" in request.parameters:
        key = world.key(request["KeyId"], account)
        if key.account != account:
            return (Verdict(False, "kms:ListAliases", request["KeyId"], OTHER_ACCOUNT),)
    return in_own_account("kms:ListAliases")(request, world)


def list_aliases(request: Request, world: World) -> Answer:
    account, limit = request.caller.account, request.get("Limit", 50)
    key = world.key(request["KeyId"], account).id if "KeyId" in request.parameters else None
    found = world.aliases_in(account, after_marker(request), limit + 1, key)
    items = [
        {
            "AliasName": alias.name,
            "AliasArn": alias.arn,
            "TargetKeyId": alias.key,
            "CreationDate": alias.created / 1_000_000,
            "LastUpdatedDate": alias.updated / 1_000_000,
        }
        for alias in found[:limit]
    ]
    return page(request, "Aliases", items, found[limit - 1].name if len(found) > limit else None)
