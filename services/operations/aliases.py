"""CreateAlias, UpdateAlias, DeleteAlias, ListAliases."""

from __future__ import annotations

from domain.aliases.commands import CreateAlias, DeleteAlias, UpdateAlias
from domain.world import World
from services.operations.keys import after_marker, page
from services.operations.rows import Answer, Made, Parameters, Request


def create_alias(parameters: Parameters, made: Made) -> CreateAlias:
    return CreateAlias(parameters["AliasName"], parameters["TargetKeyId"])


def update_alias(parameters: Parameters, made: Made) -> UpdateAlias:
    return UpdateAlias(parameters["AliasName"], parameters["TargetKeyId"])


def delete_alias(parameters: Parameters, made: Made) -> DeleteAlias:
    return DeleteAlias(parameters["AliasName"])


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
    return page("Aliases", items, found[limit - 1].name if len(found) > limit else None)
