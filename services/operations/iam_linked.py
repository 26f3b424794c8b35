"""Service-linked roles: CreateServiceLinkedRole, DeleteServiceLinkedRole, GetServiceLinkedRoleDeletionStatus."""

from __future__ import annotations

from collections.abc import Sequence

from domain.access.verdict import Verdict
from domain.identities.asking import on_identity
from domain.identities.identity import ROLE
from domain.identities.service_linked import (
    CreateServiceLinked,
    DeleteServiceLinked,
    deletion_task,
    role_of_task,
    status,
)
from domain.world import World
from services.operations.rows import Answer, Changed, Made, Parameters, Request


def create(parameters: Parameters, made: Made) -> CreateServiceLinked:
    return CreateServiceLinked(
        made["id"],
        parameters["AWSServiceName"],
        parameters.get("CustomSuffix", ""),
        parameters.get("Description", ""),
    )


def delete(parameters: Parameters, made: Made) -> DeleteServiceLinked:
    return DeleteServiceLinked(parameters["RoleName"])


def deleted(changed: Changed) -> Answer:
    return {"DeletionTaskId": deletion_task(changed.event.account, changed.event.name)}


def asks_of_task(request: Request, world: World) -> Sequence[Verdict]:
    """On the role. Raises InvalidInput, NoSuchEntity."""
    name = role_of_task(request.caller.account, request["DeletionTaskId"])
    return on_identity("GetServiceLinkedRoleDeletionStatus", ROLE, name, request.caller, world)


def deletion_status(request: Request, world: World) -> Answer:
    account = request.caller.account
    return {"Status": status(account, role_of_task(account, request["DeletionTaskId"]), world)}
