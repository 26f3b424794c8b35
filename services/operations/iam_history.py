"""IAM's answers about the past: when an access key was used, which services an identity used.

AWS gathers this hours later, and only for services that report it. Here every call has its decision, and the answer
comes from the decisions. It is a moment behind the log, and complete from the log's first day on.
Source: IAM API reference, GetAccessKeyLastUsed, GenerateServiceLastAccessedDetails and related operations.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.arn import parse_arn
from domain.authorization.evaluate import may
from domain.authorization.question import in_account
from domain.authorization.verdict import Verdict
from domain.commands.identity_permissions import resource_of
from domain.durations import DAY_MICROS
from domain.errors import InvalidInput, NoSuchEntity
from domain.identities.holders import attachable, attached, own_identity
from domain.identities.identity import GROUP, POLICY, PREFIXES, ROLE, USER, Identity, ManagedPolicy
from domain.identities.published import PUBLISHED
from domain.policy.compile import CompiledStatement, identity_policy_statements
from domain.policy.glob import compile_glob
from domain.policy.parse import MANAGED, Statement, parse_policy
from domain.state.world import World
from services.operations import iam_descriptions
from services.operations.markers import after_marker, marker_after
from services.operations.rows import Accessed, Answer, Recall, Request

USUAL = 100
LOOKED_BACK = 400 * DAY_MICROS
"""Microseconds; at least as far back as AWS reports."""
NOT_USED = "N/A"
SERVICE_NAMES = {
    "iam": "AWS Identity and Access Management",
    "kms": "AWS Key Management Service",
    "sts": "AWS Security Token Service",
}
"""The services of this installation, by their namespace."""


# -- an access key ----------------------------------------------------------------------------------------------------


def _owner(access_key: str, account: str, world: World) -> Identity | None:
    return own_identity(world.directory.users_of.get(access_key), account, world.directory)


def access_to_last_used(request: Request, world: World) -> Sequence[Verdict]:
    """Permission on the user who has the key. For a root's key, or one that is not here, permission on the account."""
    caller = request.caller
    owner = _owner(request["AccessKeyId"], caller.account, world)
    resource = in_account("*", caller.account) if owner is None else resource_of(owner)
    return (may(caller, "iam:GetAccessKeyLastUsed", resource),)


async def access_key_last_used(request: Request, world: World, recall: Recall) -> Answer:
    """Raises NoSuchEntity, Unavailable."""
    access_key, account = request["AccessKeyId"], request.caller.account
    owner = _owner(access_key, account, world)
    if owner is None and world.access_keys.get(access_key) != account:
        raise NoSuchEntity(f"The Access Key with id {access_key} cannot be found.")
    holder = account if owner is None else owner.id
    use = (await recall.last_uses_of([(holder, access_key)])).get(access_key)
    used: Answer = {"ServiceName": NOT_USED, "Region": NOT_USED}
    if use is not None:
        used = {"LastUsedDate": iam_descriptions.seconds(use.at), "ServiceName": use.service, "Region": world.region}
    return {"UserName": "root" if owner is None else owner.name, "AccessKeyLastUsed": used}


# -- services that were used --------------------------------------------------------------------------------------------

KINDS = (USER, GROUP, ROLE, POLICY)
_LETTERS = string.digits + string.ascii_uppercase
_DIGITS = re.compile(r"[0-9a-f]{32}")
GRANULARITY = ("SERVICE_LEVEL", "ACTION_LEVEL")
_LENGTH = 17
"""How many characters of a unique id follow the letters for its kind."""
_UNIQUE = 36**_LENGTH
_TIME_BITS = 34
"""Everything together has 126 bits: a job's id has 128."""


@dataclass(frozen=True, slots=True)
class Job:
    """The content of a job's id. The id says everything about the job, so nothing is stored. To fetch the result, a
    caller needs the permission to generate it. `at` is seconds since the epoch."""

    unique: str
    at: int
    by_action: bool

    def name(self) -> str:
        kind = next(place for place, each in enumerate(KINDS) if self.unique.startswith(PREFIXES[each]))
        number = ((kind << 1 | self.by_action) << _TIME_BITS | self.at) * _UNIQUE
        digits = f"{number + int(self.unique[4:], 36):032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    @staticmethod
    def read(name: str) -> Job:
        """Raises NoSuchEntity."""
        digits = name.replace("-", "")
        if not _DIGITS.fullmatch(digits):
            raise NoSuchEntity(f"There is no job {name}.")
        number, unique = divmod(int(digits, 16), _UNIQUE)
        number, at = divmod(number, 1 << _TIME_BITS)
        if number >= 2 * len(KINDS):
            raise NoSuchEntity(f"There is no job {name}.")
        letters = []
        for _ in range(_LENGTH):
            unique, letter = divmod(unique, 36)
            letters.append(_LETTERS[letter])
        return Job(PREFIXES[KINDS[number >> 1]] + "".join(reversed(letters)), at, bool(number & 1))


Entity = Identity | ManagedPolicy


def _entity(arn: str, account: str, world: World) -> Entity | None:
    """A user, group, role or policy that the account may ask about."""
    unique = world.directory.by_arn.get(arn)
    if unique is not None:
        found = world.directory.identities[unique]
        return found if found.account == account else None
    try:
        return attachable(world.directory, arn, account)
    except NoSuchEntity:
        return None


def _entity_of(job: Job, account: str, world: World) -> Entity | None:
    found = world.directory.identities.get(job.unique)
    if found is not None:
        return found if found.account == account else None
    arn = world.directory.policy_arns.get(job.unique)
    published = next((each for each in PUBLISHED.values() if each.id == job.unique), None)
    return _entity(arn, account, world) if arn is not None else published


def _asks(request: Request, arn: str, entity: Entity | None) -> Verdict:
    caller = request.caller
    named = parse_arn(arn)
    account = named.account if named is not None and named.account.isdigit() else caller.account
    resource = resource_of(entity) if isinstance(entity, Identity) else in_account(arn, account)
    return may(caller, "iam:GenerateServiceLastAccessedDetails", resource)


def access_to_generate(request: Request, world: World) -> Sequence[Verdict]:
    return (_asks(request, request["Arn"], _entity(request["Arn"], request.caller.account, world)),)


def generate(request: Request, world: World) -> Answer:
    """Raises NoSuchEntity, InvalidInput."""
    entity = _entity(request["Arn"], request.caller.account, world)
    if entity is None:
        raise NoSuchEntity(f"ARN {request['Arn']} cannot be found.")
    if len(entity.id) != 4 + _LENGTH:
        raise InvalidInput(f"{entity.arn} has no unique id that a job could name.")
    by_action = request.get("Granularity") == GRANULARITY[1]
    return {"JobId": Job(entity.id, request.at // 1_000_000, by_action).name()}


def access_to_job(request: Request, world: World) -> Sequence[Verdict]:
    caller = request.caller
    verdicts = [may(caller, f"iam:{request.operation}", in_account("*", caller.account))]
    entity = _entity_of(Job.read(request["JobId"]), caller.account, world)
    if entity is not None:
        verdicts.append(_asks(request, entity.arn, entity))
    return tuple(verdicts)


def _job(request: Request, world: World) -> tuple[Job, Entity]:
    """Raises NoSuchEntity."""
    job = Job.read(request["JobId"])
    entity = _entity_of(job, request.caller.account, world)
    if entity is None:
        raise NoSuchEntity(f"There is no job {request['JobId']}.")
    return job, entity


def _identities(entity: Entity, account: str, world: World) -> list[Identity]:
    """The users and roles whose calls count: for a group its members, for a policy every identity that has it."""
    directory = world.directory
    if isinstance(entity, ManagedPolicy):
        held = [directory.identities[each] for each in attached(directory, entity, account)]
        return [one for each in held for one in _identities(each, account, world)]
    if entity.kind == GROUP:
        return [directory.identities[each] for each in directory.members.get(entity.id, ())]
    return [entity]


def _namespaces(entity: Entity, world: World) -> list[str]:
    """The services in which the permission policies allow any action, in order."""
    rules: Sequence[CompiledStatement]
    if isinstance(entity, ManagedPolicy):
        rules = identity_policy_statements(
            parse_policy(entity.document, MANAGED), "", entity.arn, entity.default, MANAGED
        )
    else:
        rules = world.directory.permissions(entity).statements
    allowing = [rule.statement for rule in rules if not rule.denies]
    return [service for service in SERVICE_NAMES if any(_gives(statement, service) for statement in allowing)]


def _gives(statement: Statement, service: str) -> bool:
    """Whether the statement covers any action of the service."""
    if statement.action is not None:
        return any(compile_glob(each.lower().partition(":")[0])(service) for each in statement.action)
    return not {"*", f"{service}:*"} & {each.lower() for each in statement.not_action or ()}


async def last_accessed(request: Request, world: World, recall: Recall) -> Answer:
    """Raises NoSuchEntity, Unavailable."""
    job, entity = _job(request, world)
    account = request.caller.account
    arns = {each.id: each.arn for each in _identities(entity, account, world)}
    accesses = await recall.accesses(account, arns, request.at - LOOKED_BACK)
    items = [_service(name, accesses, arns, job, world) for name in _namespaces(entity, world)]
    return _done(job) | _paged("ServicesLastAccessed", items, request) | {"JobType": GRANULARITY[job.by_action]}


def _service(namespace: str, accesses: Sequence[Accessed], arns: Mapping[str, str], job: Job, world: World) -> Answer:
    """`arns`: the ARNs that the identities have now, by unique id."""
    own = [each for each in accesses if each.service == namespace]
    shown: Answer = {
        "ServiceName": SERVICE_NAMES[namespace],
        "ServiceNamespace": namespace,
        "TotalAuthenticatedEntities": len({each.identity for each in own}),
    }
    if own:
        last = max(own, key=lambda each: each.at)
        shown |= {
            "LastAuthenticated": iam_descriptions.seconds(last.at),
            "LastAuthenticatedEntity": arns[last.identity],
            "LastAuthenticatedRegion": world.region,
        }
    if job.by_action:
        by_action: dict[str, Accessed] = {}
        for each in own:
            if each.operation not in by_action or by_action[each.operation].at < each.at:
                by_action[each.operation] = each
        shown["TrackedActionsLastAccessed"] = [
            {
                "ActionName": name,
                "LastAccessedEntity": arns[each.identity],
                "LastAccessedTime": iam_descriptions.seconds(each.at),
                "LastAccessedRegion": world.region,
            }
            for name, each in sorted(by_action.items())
        ]
    return shown


async def accessed_by(request: Request, world: World, recall: Recall) -> Answer:
    """Which identities of a group or a policy used one service. Raises NoSuchEntity, Unavailable."""
    job, entity = _job(request, world)
    account, namespace = request.caller.account, request["ServiceNamespace"]
    identities = sorted(_identities(entity, account, world), key=lambda identity: identity.arn)
    answer = _done(job) | _paged("EntityDetailsList", identities, request)
    shown: list[Identity] = answer["EntityDetailsList"]
    last: dict[str, int] = {}
    for found in await recall.accesses(account, [each.id for each in shown], request.at - LOOKED_BACK):
        if found.service == namespace:
            last[found.identity] = max(found.at, last.get(found.identity, found.at))
    answer["EntityDetailsList"] = [
        {
            "EntityInfo": {
                "Arn": each.arn,
                "Name": each.name,
                "Type": each.kind.upper(),
                "Id": each.id,
                "Path": each.path,
            }
        }
        | ({"LastAuthenticated": iam_descriptions.seconds(last[each.id])} if each.id in last else {})
        for each in shown
    ]
    return answer


def _done(job: Job) -> Answer:
    return {"JobStatus": "COMPLETED", "JobCreationDate": job.at, "JobCompletionDate": job.at}


def _paged(member: str, items: Sequence[Any], request: Request) -> Answer:
    """A page. Its marker is the number of items before it."""
    after = after_marker(request) or "0"
    if not after.isascii() or not after.isdigit() or len(after) > 9:
        raise InvalidInput("The marker is not one that an earlier answer gave.")
    begin, limit = int(after), request.get("MaxItems", USUAL)
    page = items[begin : begin + limit]
    more = begin + limit < len(items)
    return {member: list(page), "IsTruncated": more} | (
        {"Marker": marker_after(request, str(begin + limit))} if more else {}
    )
