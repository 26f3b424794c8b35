"""Service-linked roles: they are made for a service, and only that service may change them.

No such service runs here. Terraform and deployment scripts ask for the roles when they set up an account, and key
policies and grants name them as principals. AWS attaches the service's managed policy; Keytrail does not have these
documents and attaches nothing.

Source: IAM API reference, CreateServiceLinkedRole, DeleteServiceLinkedRole, GetServiceLinkedRoleDeletionStatus; IAM
user guide, using-service-linked-roles.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from uuid import UUID

from domain.arn import iam_arn
from domain.authorization.caller import Caller
from domain.authorization.evaluate import may
from domain.authorization.question import in_account
from domain.authorization.verdict import Verdict
from domain.commands.identity_permissions import on_identity, on_new
from domain.commands.rules import CommandRules
from domain.commands.users_and_groups import require_bare
from domain.durations import HOUR_SECONDS
from domain.errors import InvalidInput, NoSuchEntity
from domain.identities.identity import ROLE
from domain.identities.linked_services import NAMES, SERVICE_LINKED, WITH_SUFFIX, name_of, path_of, service_of, trust_of
from domain.log.identity_events import IdentityDeleted, RoleCreated
from domain.state.world import World

SUCCEEDED, IN_PROGRESS = "SUCCEEDED", "IN_PROGRESS"
MAX_SESSION = HOUR_SECONDS
_MAX_NAME = 64


@dataclass(frozen=True, slots=True)
class CreateServiceLinked:
    id: str
    service: str
    suffix: str
    description: str


@dataclass(frozen=True, slots=True)
class DeleteServiceLinked:
    name: str


def permissions_to_create(command: CreateServiceLinked, caller: Caller, world: World) -> tuple[Verdict, ...]:
    path, name = path_of(command.service), name_of(command.service, command.suffix)
    return on_new("iam:CreateServiceLinkedRole", ROLE, path, name, caller, tagged=False)


def create(command: CreateServiceLinked, caller: Caller, world: World) -> RoleCreated:
    """Raises InvalidInput."""
    if command.service not in NAMES:
        known = ", ".join(sorted(service.removesuffix(".amazonaws.com") for service in NAMES))
        raise InvalidInput(
            f"{command.service} has no service-linked role here. Services (.amazonaws.com) that have one: {known}."
        )
    if command.suffix and command.service not in WITH_SUFFIX:
        raise InvalidInput(f"Custom suffix is not allowed for {command.service}")
    name = name_of(command.service, command.suffix)
    if len(name) > _MAX_NAME:
        raise InvalidInput(f"The role's name {name} is longer than {_MAX_NAME} characters.")
    if world.directory.find(ROLE, caller.account, name) is not None:
        raise InvalidInput(f"Service role name {name} has been taken in this account, please try a different suffix.")
    return RoleCreated(
        account=caller.account,
        id=command.id,
        name=name,
        path=path_of(command.service),
        trust=trust_of(command.service),
        principals={},
        description=command.description,
        max_session=MAX_SESSION,
        tags={},
        boundary="",
    )


def permissions_to_delete(command: DeleteServiceLinked, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return _on_linked("DeleteServiceLinkedRole", command.name, caller, world)


def permissions_of_status(name: str, caller: Caller, world: World) -> tuple[Verdict, ...]:
    """Permission on the ARN that the role had when the deletion was requested."""
    return _on_linked("GetServiceLinkedRoleDeletionStatus", name, caller, world)


def _on_linked(action: str, name: str, caller: Caller, world: World) -> tuple[Verdict, ...]:
    """Permission on a service's role at its path, whether the role exists or not. So a policy about that path holds
    before and after."""
    role, service = world.directory.find(ROLE, caller.account, name), service_of(name)
    if not service or (role is not None and role.service_linked):
        return on_identity(action, ROLE, name, caller, world)
    resource = in_account(iam_arn(caller.account, ROLE, path_of(service), name), caller.account)
    return (may(caller, f"iam:{action}", resource),)


def delete(command: DeleteServiceLinked, caller: Caller, world: World) -> IdentityDeleted:
    """Nothing here uses such a role, so nothing prevents its deletion. Raises NoSuchEntity, DeleteConflict."""
    role = world.directory.find(ROLE, caller.account, command.name)
    if role is None or not role.service_linked:
        raise NoSuchEntity(f"The service-linked role with name {command.name} cannot be found.")
    require_bare(role, world)
    return IdentityDeleted(caller.account, ROLE, role.id, role.name)


def deletion_task(account: str, name: str, unique: str) -> str:
    """The id of the task that deletes a role. It follows from the role's name and unique id. So no table of tasks is
    needed, and a later role with the same name is not taken for the deleted one."""
    return _task(account, name, _mark(unique))


def _task(account: str, name: str, mark: bytes) -> str:
    service = service_of(name)
    check = hashlib.sha256(f"{account}/{service}/{name}/{mark.hex()}".encode()).digest()
    return f"task{path_of(service)}{name}/{UUID(bytes=mark + check[:8])}"


def _mark(unique: str) -> bytes:
    """Identifies the role in half a UUID."""
    return hashlib.sha256(unique.encode()).digest()[:8]


def _mark_in(task: str) -> bytes:
    return UUID(task.rpartition("/")[2]).bytes[:8]


def role_of_task(account: str, text: str) -> str:
    """The name of the role that a task deletes.

    Raises InvalidInput if the text is not the id of a task, NoSuchEntity if the task is of another role or account.
    """
    beginning, _, rest = text.partition(SERVICE_LINKED)
    named = rest.split("/")
    if beginning != "task" or len(named) != 3 or not _is_uuid(named[2]):
        raise InvalidInput("A DeletionTaskId has the form task/aws-service-role/<service>/<role name>/<uuid>.")
    service, name, _ = named
    if service != service_of(name) or text != _task(account, name, _mark_in(text)):
        raise NoSuchEntity(f"The deletion task with id {text} cannot be found.")
    return name


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def status(account: str, task: str, world: World) -> str:
    """If the role still exists, this process has not read of its deletion yet. Raises the same as `role_of_task`."""
    role = world.directory.find(ROLE, account, role_of_task(account, task))
    return IN_PROGRESS if role is not None and _mark(role.id) == _mark_in(task) else SUCCEEDED


RULES: CommandRules = {
    CreateServiceLinked: (permissions_to_create, create),
    DeleteServiceLinked: (permissions_to_delete, delete),
}
