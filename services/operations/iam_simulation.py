"""SimulatePrincipalPolicy, SimulateCustomPolicy, and the condition keys that policies read.

Source: IAM API reference of the four. An action has one result; if resources are named, each has its own result below
it. Service control policies and EC2's scenarios are not simulated: a request for them is refused, not answered without
them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from domain.arn import ACCOUNT_ID, PARTITION, Arn, parse_arn, root_arn
from domain.authorization.caller import Caller
from domain.authorization.evaluate import may
from domain.authorization.question import in_account
from domain.authorization.simulate import (
    OF_RESOURCE,
    RESOURCE_POLICY,
    SimulatedPolicy,
    Simulation,
    context_keys,
    statements_of,
)
from domain.authorization.verdict import Verdict
from domain.commands.identity_permissions import resource_of
from domain.errors import InvalidInput, LimitExceeded, MalformedPolicy, NoSuchEntity
from domain.identities.holders import own_identity
from domain.identities.identity import GROUP, ROLE, USER, Identity
from domain.identities.published import AWS
from domain.policy.check import check_policy
from domain.policy.compile import (
    BOUNDARY,
    DELEGATED,
    DIRECT,
    IDENTITY_POLICY,
    CompiledStatement,
    Permissions,
    identity_policy_statements,
)
from domain.policy.glob import compile_glob
from domain.policy.parse import KEY, SIMULATED
from domain.policy.variables import Context
from domain.state.callers import caller_for
from domain.state.world import World
from services.operations.iam_simulation_results import result
from services.operations.markers import after_marker, marker_after
from services.operations.rows import Answer, Recall, Request
from services.shares import QUESTIONS, breathe

MOST_TEXT = 32_768
"""The most characters of all policies of a request together."""
MOST_STEPS = 100_000
"""The most statements that one answer evaluates. A page has as many actions as that allows, and at least one."""
MOST_ENTRIES, MOST_CHARACTERS = 64, 8192
"""The most context entries: as many as a real request may bring to conditions."""
USUAL = 100
_ACTION = re.compile(r"[A-Za-z0-9-]+:[A-Za-z0-9]+")
_OF_ONE_REQUEST = ("aws:tokenissuetime", "aws:multifactorauthpresent")
"""Keys whose values come from a caller's session; a simulation has them only from context entries."""


# -- which permission -------------------------------------------------------------------------------------------------


def access_to_simulate(request: Request, world: World) -> Sequence[Verdict]:
    account = request.caller.account
    return (may(request.caller, f"iam:{request.operation}", in_account("*", account)),)


def access_on_source(request: Request, world: World) -> Sequence[Verdict]:
    """Permission on the user, group or role to simulate."""
    arn, caller = request["PolicySourceArn"], request.caller
    identity = _held(arn, caller.account, world)
    named = parse_arn(arn)
    account = named.account if named is not None and ACCOUNT_ID.fullmatch(named.account) else caller.account
    resource = in_account(arn, account) if identity is None else resource_of(identity)
    return (may(caller, f"iam:{request.operation}", resource),)


def _held(arn: str, account: str, world: World) -> Identity | None:
    return own_identity(world.directory.by_arn.get(arn), account, world.directory)


def _source(request: Request, world: World) -> Identity:
    """Raises InvalidInput, NoSuchEntity."""
    arn = request["PolicySourceArn"]
    named = parse_arn(arn)
    if named is None or named.service != "iam" or named.resource.partition("/")[0] not in (USER, GROUP, ROLE):
        raise InvalidInput(f"Invalid Entity Arn: {arn} does not clearly define entity type and name.")
    found = _held(arn, request.caller.account, world)
    if found is None:
        raise NoSuchEntity(f"The user, group or role {arn} cannot be found.")
    return found


# -- whose policies ---------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Policies:
    """The policies to simulate, while they are gathered."""

    rules: list[CompiledStatement]
    boundary: Permissions | None
    sources: dict[str, SimulatedPolicy]


def _of(identity: Identity, world: World) -> _Policies:
    directory = world.directory
    rules = list(directory.permissions(identity).statements)
    sources: dict[str, SimulatedPolicy] = {}
    for each in (identity, *(directory.identities[group] for group in identity.groups)):
        for name, inline in each.inline.items():
            sources[f"{each.arn}#{name}"] = SimulatedPolicy(f"{each.kind}_{each.name}_{name}", inline.document)
        for arn in each.attached:
            policy = directory.managed(arn)
            if policy is not None:
                sources[arn] = SimulatedPolicy(policy.name, policy.document)
    return _Policies(rules, directory.boundary(identity), sources)


def _take_inputs(policies: _Policies, request: Request) -> None:
    """Raises InvalidInput."""
    texts = request.get("PolicyInputList", [])
    boundaries = request.get("PermissionsBoundaryPolicyInputList", [])
    if sum(map(len, (*texts, *boundaries, request.get("ResourcePolicy", "")))) > MOST_TEXT:
        raise InvalidInput(f"The policies of one request have at most {MOST_TEXT} characters together.")
    for number, text in enumerate(texts, 1):
        name = f"PolicyInputList.{number}"
        policies.rules += _rules(text, IDENTITY_POLICY, name)
        policies.sources[name] = SimulatedPolicy(name, text)
    if len(boundaries) > 1:
        raise InvalidInput("There is one permissions boundary at most.")
    for text in boundaries:
        policies.boundary = Permissions(_rules(text, BOUNDARY, "PermissionsBoundaryPolicyInputList.1"))


def _rules(text: str, by: str, name: str) -> tuple[CompiledStatement, ...]:
    """Raises InvalidInput."""
    try:
        return identity_policy_statements(check_policy(text, SIMULATED), by, name, 0, SIMULATED)
    except (MalformedPolicy, LimitExceeded) as fault:
        raise InvalidInput(f"{name}: {fault.message}") from None


def _exclude(policies: _Policies, request: Request) -> None:
    """Leaves out the policies in PolicyExclusionList. Raises InvalidInput."""
    for identifier in request.get("PolicyExclusionList", []):
        if len(identifier) != 1:
            raise InvalidInput("A policy identifier has one of PolicyType, PolicyArn and InlinePolicyIdentifier.")
        excluded = _excluding(identifier)
        policies.rules = [rule for rule in policies.rules if not excluded(rule.by.policy)]
        boundary = policies.boundary
        if boundary is not None and (
            identifier.get("PolicyType") == "permission-boundary" or _is_of(boundary, excluded)
        ):
            policies.boundary = None


def _is_of(boundary: Permissions, excluded: Callable[[str], bool]) -> bool:
    return any(excluded(rule.by.policy) for rule in boundary.statements)


def _excluding(identifier: Mapping[str, object]) -> Callable[[str], bool]:
    """Whether the identifier means a policy. The policy is given by the name in its statements."""
    match identifier:
        case {"PolicyType": "inline"}:
            return lambda policy: "#" in policy
        case {"PolicyType": "aws-managed"}:
            return lambda policy: policy.startswith(f"arn:aws:iam::{AWS}:")
        case {"PolicyType": "user-managed"}:
            return lambda policy: ":policy/" in policy and not policy.startswith(f"arn:aws:iam::{AWS}:")
        case {"PolicyArn": str() as arn}:
            if parse_arn(arn) is None:
                raise InvalidInput(f"{arn!r} is not the ARN of a policy.")
            return compile_glob(arn)
        case {"InlinePolicyIdentifier": {"PolicyName": name, "AttachmentType": kind, "AttachmentName": owner}}:
            held = re.compile(rf".*:{re.escape(str(kind))}/(?:.*/)?{re.escape(str(owner))}#{re.escape(str(name))}")
            return lambda policy: held.fullmatch(policy) is not None
        case _:  # boundaries are handled elsewhere, and there are no service control policies
            return lambda policy: False


# -- who calls --------------------------------------------------------------------------------------------------------


def _caller(arn: str, account: str, world: World) -> Caller:
    """The simulated caller, without policies. Nothing about another account's caller is looked up. Raises InvalidInput."""
    named = parse_arn(arn)
    kind = "" if named is None else named.resource.partition("/")[0]
    if named is None or (named.partition, named.service) != (PARTITION, "iam") or kind not in (USER, GROUP, ROLE):
        raise InvalidInput(f"{arn!r} is not the ARN of a user, group or role.")
    if _held(arn, account, world) is not None and kind != GROUP:
        found = caller_for(world, arn)
        context = {key: values for key, values in found.context.items() if key not in _OF_ONE_REQUEST}
        return replace(found, context=context, boundary=None, session=None)
    return _nobody(arn, named, kind)


def _nobody(arn: str, named: Arn, kind: str) -> Caller:
    context: dict[str, tuple[str, ...]] = {
        "aws:principalarn": (arn,),
        "aws:principalaccount": (named.account,),
        "kms:calleraccount": (named.account,),
    }
    if kind == USER:
        context["aws:username"] = (named.resource.rpartition("/")[2],)
    return Caller(named.account, arn, {arn: DIRECT, root_arn(named.account): DELEGATED}, "", context=context)


def _given(request: Request) -> Context:
    """Raises InvalidInput."""
    entries = request.get("ContextEntries", [])
    given: dict[str, tuple[str, ...]] = {}
    for entry in entries:
        if not {"ContextKeyName", "ContextKeyValues", "ContextKeyType"} <= entry.keys():
            raise InvalidInput("A context entry has ContextKeyName, ContextKeyValues and ContextKeyType.")
        values = tuple(entry["ContextKeyValues"])
        if len(values) > 1 and not entry["ContextKeyType"].endswith("List"):
            raise InvalidInput(f"{entry['ContextKeyName']} of type {entry['ContextKeyType']} has one value.")
        if values:
            given[entry["ContextKeyName"].lower()] = values
    if len(entries) > MOST_ENTRIES or sum(len(each) for values in given.values() for each in values) > MOST_CHARACTERS:
        raise InvalidInput(
            f"There are at most {MOST_ENTRIES} context entries, with {MOST_CHARACTERS} characters together."
        )
    return given


# -- what is answered -------------------------------------------------------------------------------------------------


def _simulation(policies: _Policies, caller_arn: str, request: Request, world: World) -> Simulation:
    """Raises InvalidInput."""
    account = request.caller.account
    for name in ("ResourceHandlingOption", "OrderedOrganizationPolicyInputList"):
        if request.get(name):
            raise InvalidInput(f"{name} is not simulated: there are no EC2 resources and no organization here.")
    own = root_arn(account)
    nobody = Caller(account, own, {own: DELEGATED}, "", context={"aws:principalaccount": (account,)})
    caller = _caller(caller_arn, account, world) if caller_arn else nobody
    text = request.get("ResourcePolicy", "")
    if text:
        if not caller_arn:
            raise InvalidInput("CallerArn is required where a resource policy is simulated.")
        if f":{ROLE}/" in caller_arn:
            raise InvalidInput("A resource policy is not simulated for a role.")
        try:
            check_policy(text, KEY)
        except (MalformedPolicy, LimitExceeded) as fault:
            raise InvalidInput(f"ResourcePolicy: {fault.message}") from None
        policies.sources[RESOURCE_POLICY] = SimulatedPolicy(RESOURCE_POLICY, text, OF_RESOURCE)
    caller = replace(
        caller, identity=Permissions(tuple(policies.rules)), boundary=policies.boundary, needs_policies=True
    )
    owner = _account(request["ResourceOwner"]) if "ResourceOwner" in request.parameters else caller.account
    return Simulation(caller, owner, policies.sources, _given(request), text)


def _account(owner: str) -> str:
    """Raises InvalidInput."""
    named = parse_arn(owner)
    account = owner if named is None else named.account
    if not ACCOUNT_ID.fullmatch(account):
        raise InvalidInput(f"ResourceOwner is an account, not {owner!r}.")
    return account


def _after(request: Request) -> int:
    """How many actions earlier pages answered. Raises InvalidInput."""
    number = after_marker(request) or "0"
    if not number.isascii() or not number.isdigit() or len(number) > 6:
        raise InvalidInput("The marker is not one that an earlier answer gave.")
    return int(number)


async def _answer(simulation: Simulation, request: Request) -> Answer:
    actions = list(dict.fromkeys(request["ActionNames"]))
    resources = list(dict.fromkeys(request.get("ResourceArns", []))) or ["*"]
    for action in actions:
        if not _ACTION.fullmatch(action):
            raise InvalidInput(f"{action!r} is not the name of an action, such as kms:Decrypt.")
    for resource in resources:
        if resource != "*" and parse_arn(resource) is None:
            raise InvalidInput(f"{resource!r} is not an ARN.")
    each = len(resources) * max(1, simulation.statements)
    if each > MOST_STEPS:
        raise InvalidInput("There are too many resources for so many statements; ask in several requests.")
    after = _after(request)
    most = min(request.get("MaxItems", USUAL), max(1, MOST_STEPS // each))
    page = actions[after : after + most]

    def work() -> list[Answer]:
        results = []
        for action in page:
            results.append(result(action, [simulation.on(action, resource) for resource in resources]))
            breathe()
        return results

    answer: Answer = {"EvaluationResults": await QUESTIONS.run(request.caller.account, work)}
    more = after + most < len(actions)
    answer["IsTruncated"] = more
    if more:
        answer["Marker"] = marker_after(request, str(after + most))
    return answer


async def simulate_principal(request: Request, world: World, recall: Recall) -> Answer:
    """Raises NoSuchEntity, InvalidInput."""
    identity = _source(request, world)
    policies = _of(identity, world)
    _exclude(policies, request)
    _take_inputs(policies, request)
    return await _answer(_simulation(policies, request.get("CallerArn", identity.arn), request, world), request)


async def simulate_custom(request: Request, world: World, recall: Recall) -> Answer:
    """Raises InvalidInput."""
    policies = _Policies([], None, {})
    _take_inputs(policies, request)
    return await _answer(_simulation(policies, request.get("CallerArn", ""), request, world), request)


async def keys_of_principal(request: Request, world: World, recall: Recall) -> Answer:
    """Raises NoSuchEntity, InvalidInput."""
    policies = _of(_source(request, world), world)
    _take_inputs(policies, request)
    return await _keys(policies, request)


async def keys_of_custom(request: Request, world: World, recall: Recall) -> Answer:
    """Raises InvalidInput."""
    policies = _Policies([], None, {})
    _take_inputs(policies, request)
    return await _keys(policies, request)


async def _keys(policies: _Policies, request: Request) -> Answer:
    found = await QUESTIONS.run(request.caller.account, lambda: context_keys(statements_of(policies.rules)))
    return {"ContextKeyNames": found}
