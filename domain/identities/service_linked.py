"""Service-linked roles: made for a service, which alone may change them.

No such service runs here. The roles are there for whoever sets an account up (Terraform, deployment scripts), and as principals
that key policies and grants name. AWS attaches the service's managed policy; Keytrail has none of these documents and attaches
nothing.

Source: IAM API reference, CreateServiceLinkedRole, DeleteServiceLinkedRole, GetServiceLinkedRoleDeletionStatus; IAM user guide,
using-service-linked-roles; for the names of roles the guides of the services.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from uuid import NAMESPACE_URL, UUID, uuid5

from domain.access.caller import Caller
from domain.access.verdict import Verdict
from domain.errors import InvalidInput, NoSuchEntity
from domain.identities.asking import on_identity, on_new
from domain.identities.identity import ROLE, SERVICE_LINKED
from domain.identities.people import require_bare
from domain.trail.identity_events import IdentityDeleted, RoleCreated
from domain.world import World

NAMES = {
    "access-analyzer.amazonaws.com": "AWSServiceRoleForAccessAnalyzer",
    "autoscaling.amazonaws.com": "AWSServiceRoleForAutoScaling",
    "cks.kms.amazonaws.com": "AWSServiceRoleForKeyManagementServiceCustomKeyStores",
    "cloudtrail.amazonaws.com": "AWSServiceRoleForCloudTrail",
    "config.amazonaws.com": "AWSServiceRoleForConfig",
    "ecs.amazonaws.com": "AWSServiceRoleForECS",
    "eks.amazonaws.com": "AWSServiceRoleForAmazonEKS",
    "elasticache.amazonaws.com": "AWSServiceRoleForElastiCache",
    "elasticbeanstalk.amazonaws.com": "AWSServiceRoleForElasticBeanstalk",
    "elasticloadbalancing.amazonaws.com": "AWSServiceRoleForElasticLoadBalancing",
    "es.amazonaws.com": "AWSServiceRoleForAmazonElasticsearchService",
    "guardduty.amazonaws.com": "AWSServiceRoleForAmazonGuardDuty",
    "kafka.amazonaws.com": "AWSServiceRoleForKafka",
    "lex.amazonaws.com": "AWSServiceRoleForLexBots",
    "mrk.kms.amazonaws.com": "AWSServiceRoleForKeyManagementServiceMultiRegionKeys",
    "opensearchservice.amazonaws.com": "AWSServiceRoleForAmazonOpenSearchService",
    "organizations.amazonaws.com": "AWSServiceRoleForOrganizations",
    "rds.amazonaws.com": "AWSServiceRoleForRDS",
    "redshift.amazonaws.com": "AWSServiceRoleForRedshift",
    "spot.amazonaws.com": "AWSServiceRoleForEC2Spot",
    "spotfleet.amazonaws.com": "AWSServiceRoleForEC2SpotFleet",
    "support.amazonaws.com": "AWSServiceRoleForSupport",
}
"""The role of each service (its principal). One that is not here is refused: its role's name would be a guess."""
WITH_SUFFIX = frozenset({"autoscaling.amazonaws.com"})
"""Services that take several roles, told apart by a suffix."""
SUCCEEDED, IN_PROGRESS = "SUCCEEDED", "IN_PROGRESS"
MAX_SESSION = 3600
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


def _name(command: CreateServiceLinked) -> str:
    base = NAMES.get(command.service, "AWSServiceRoleFor")
    return f"{base}_{command.suffix}" if command.suffix else base


def _path(service: str) -> str:
    return f"{SERVICE_LINKED}{service}/"


def _trust(service: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": [service]}, "Action": ["sts:AssumeRole"]}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))


def asks_to_create(command: CreateServiceLinked, caller: Caller, world: World) -> tuple[Verdict, ...]:
    path, name = _path(command.service), _name(command)
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
    name = _name(command)
    if len(name) > _MAX_NAME:
        raise InvalidInput(f"The role's name {name} is longer than {_MAX_NAME} characters.")
    if world.directory.find(ROLE, caller.account, name) is not None:
        raise InvalidInput(f"Service role name {name} has been taken in this account, please try a different suffix.")
    return RoleCreated(
        account=caller.account,
        id=command.id,
        name=name,
        path=_path(command.service),
        trust=_trust(command.service),
        principals={},
        description=command.description,
        max_session=MAX_SESSION,
        tags={},
        boundary="",
    )


def asks_to_delete(command: DeleteServiceLinked, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_identity("DeleteServiceLinkedRole", ROLE, command.name, caller, world)


def delete(command: DeleteServiceLinked, caller: Caller, world: World) -> IdentityDeleted:
    """Nothing here uses such a role, so nothing stands in the way. Raises NoSuchEntity, DeleteConflict."""
    role = world.directory.find(ROLE, caller.account, command.name)
    if role is None or not role.service_linked:
        raise NoSuchEntity(f"The service-linked role with name {command.name} cannot be found.")
    require_bare(role, world)
    return IdentityDeleted(caller.account, ROLE, role.id, role.name)


def service_of(name: str) -> str:
    """The service whose role has this name; "" for no such role."""
    base = name.partition("_")[0]
    return next((service for service, own in NAMES.items() if own == base), "")


def deletion_task(account: str, name: str) -> str:
    """The id of the task that deletes a role. It follows from the role, so that nothing has to be kept to know it again."""
    service = service_of(name)
    unique = uuid5(NAMESPACE_URL, f"{account}/{service}/{name}")
    return f"task{_path(service)}{name}/{unique}"


def role_of_task(account: str, text: str) -> str:
    """The name of the role that a task deletes.

    Raises InvalidInput for what is no id of a task, NoSuchEntity for a task of another role or account.
    """
    beginning, _, rest = text.partition(SERVICE_LINKED)
    named = rest.split("/")
    if beginning != "task" or len(named) != 3 or not _is_uuid(named[2]):
        raise InvalidInput("A DeletionTaskId has the form task/aws-service-role/<service>/<role name>/<uuid>.")
    service, name, _ = named
    if service != service_of(name) or text != deletion_task(account, name):
        raise NoSuchEntity(f"The deletion task with id {text} cannot be found.")
    return name


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def status(account: str, name: str, world: World) -> str:
    """A role that is still there is one whose deletion this process has not heard of."""
    return SUCCEEDED if world.directory.find(ROLE, account, name) is None else IN_PROGRESS
