"""Service-linked roles: CreateServiceLinkedRole, DeleteServiceLinkedRole, GetServiceLinkedRoleDeletionStatus."""

from __future__ import annotations

from collections.abc import Sequence

from domain.authorization.context import Parameters
from domain.authorization.verdict import Verdict
from domain.commands.service_linked_roles import (
    CreateServiceLinked,
    DeleteServiceLinked,
    deletion_task,
    permissions_of_status,
    role_of_task,
    status,
)
from domain.state.world import World
from services.operations.rows import Answer, Preparation, RecordedChange, Request


def create(parameters: Parameters, made: Preparation) -> CreateServiceLinked:
    return CreateServiceLinked(
        made["id"],
        parameters["AWSServiceName"],
        parameters.get("CustomSuffix", ""),
        parameters.get("Description", ""),
    )


def delete(parameters: Parameters, made: Preparation) -> DeleteServiceLinked:
    return DeleteServiceLinked(parameters["RoleName"])


def deleted(changed: RecordedChange) -> Answer:
    return {"DeletionTaskId": deletion_task(changed.event.account, changed.event.name, changed.event.id)}


def access_to_task(request: Request, world: World) -> Sequence[Verdict]:
    """Permission on the deleted role. Raises InvalidInput, NoSuchEntity."""
    name = role_of_task(request.caller.account, request["DeletionTaskId"])
    return permissions_of_status(name, request.caller, world)


def deletion_status(request: Request, world: World) -> Answer:
    return {"Status": status(request.caller.account, request["DeletionTaskId"], world)}
