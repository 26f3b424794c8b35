"""IAM's Get and List operations. Pages begin after the last name of the page before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import merge, nsmallest
from operator import itemgetter
from typing import Any, TypeVar

from domain.authorization.verdict import Verdict
from domain.commands.identity_permissions import anywhere, on_identity, on_policy
from domain.commands.identity_policies import no_inline
from domain.commands.managed_policies import require_version
from domain.commands.users_and_groups import owner_of_keys
from domain.identities.directory import Directory
from domain.identities.holders import attachable, attached, bounded
from domain.identities.identity import GROUP, POLICY, ROLE, USER, Identity, ManagedPolicy
from domain.identities.published import AWS, PUBLISHED
from domain.state.world import World
from services.operations import iam_descriptions
from services.operations.iam import named
from services.operations.markers import after_marker, marker_after
from services.operations.rows import AccessCheck, Answer, Request

USUAL = 100
MOST_CHARACTERS = 1_000_000
"""With so many characters a page is full ("IAM might return fewer results"). A role's trust policy has up to 131,072, and is
shown percent-encoded: a thousand roles would be an answer of hundreds of megabytes, made while nobody else is answered."""
Run = Callable[[Request, World], Answer]
NamedItem = TypeVar("NamedItem")
PLURAL = {GROUP: "Groups", ROLE: "Roles"}


def paged(member: str, items: Iterable[tuple[str, Any]], request: Request) -> Answer:
    """A page of (name, item), in the given order, after the marker's name. `items` are made one by one, as far as they fit."""
    after, limit = after_marker(request), request.get("MaxItems", USUAL)
    found, size, last = list[Any](), 0, ""
    for name, item in items:
        if after and name <= after:
            continue
        if len(found) == limit or size > MOST_CHARACTERS:
            return {member: found, "IsTruncated": True, "Marker": marker_after(request, last)}
        found.append(item)
        size, last = size + characters(item), name
    return {member: found, "IsTruncated": False}


def next_of(named: Iterable[tuple[str, NamedItem]], request: Request) -> list[tuple[str, NamedItem]]:
    """What may be on the page, in the order of names, and one more: a group may have a hundred thousand members."""
    after, limit = after_marker(request), request.get("MaxItems", USUAL)
    return nsmallest(limit + 1, (each for each in named if each[0] > after), key=itemgetter(0))


def characters(item: Any) -> int:
    """How many characters its texts have."""
    if isinstance(item, str):
        return len(item)
    if isinstance(item, Mapping):
        return sum(map(characters, item.values()))
    return sum(map(characters, item)) if isinstance(item, list | tuple) else 0


def paged_tags(held: Mapping[str, str], request: Request) -> Answer:
    """A page of tags, in the order of their keys."""
    return paged("Tags", ((key, {"Key": key, "Value": value}) for key, value in sorted(held.items())), request)


# -- which permission -----------------------------------------------------------------------------------------------


def access_on(action: str, kind: str) -> AccessCheck:
    """`{}` in the action is replaced by User, Group or Role."""

    def access(request: Request, world: World) -> Sequence[Verdict]:
        return on_identity(action, kind, request[named(kind)], request.caller, world)

    return access


def access_on_self(action: str) -> AccessCheck:
    """Permission on the named user, or on the caller."""

    def access(request: Request, world: World) -> Sequence[Verdict]:
        name = owner_of_keys(request.get("UserName", ""), request.caller, world)
        return on_identity(action, USER, name, request.caller, world)

    return access


def access_on_policy(action: str) -> AccessCheck:
    return lambda request, world: on_policy(action, request["PolicyArn"], request.caller, world)


def access_anywhere(action: str, kind: str) -> AccessCheck:
    return lambda request, world: anywhere(action, kind, request.caller)


# -- what is answered -------------------------------------------------------------------------------------------------


def _identity(kind: str, request: Request, world: World) -> Identity:
    """Raises NoSuchEntity."""
    return world.directory.get(kind, request.caller.account, request[named(kind)])


def _policy(request: Request, world: World) -> ManagedPolicy:
    """One of the account's own policies, or one that AWS publishes. Raises NoSuchEntity."""
    return attachable(world.directory, request["PolicyArn"], request.caller.account)


def get_role(request: Request, world: World) -> Answer:
    return {"Role": iam_descriptions.full(_identity(ROLE, request, world), world)}


def get_group(request: Request, world: World) -> Answer:
    group = _identity(GROUP, request, world)
    users = (world.directory.identities[each] for each in world.directory.members.get(group.id, ()))
    page = next_of(((user.name.lower(), user) for user in users), request)
    items = ((name, iam_descriptions.brief(user, world)) for name, user in page)
    return paged("Users", items, request) | {"Group": iam_descriptions.brief(group, world)}


def list_identities(kind: str) -> Run:
    def run(request: Request, world: World) -> Answer:
        account = request.caller.account
        names = world.directory.page(kind, account, after_marker(request), request.get("PathPrefix", "/"))
        items = ((name, iam_descriptions.brief(world.directory.get(kind, account, name), world)) for name in names)
        return paged(PLURAL[kind], items, request)

    return run


def list_groups_of(request: Request, world: World) -> Answer:
    groups = [world.directory.identities[each] for each in _identity(USER, request, world).groups]
    return paged(
        "Groups", sorted((group.name.lower(), iam_descriptions.brief(group, world)) for group in groups), request
    )


def user_or_caller(request: Request, world: World) -> Identity:
    """The named user, or the user who calls. Raises NoSuchEntity, InvalidRequest."""
    name = owner_of_keys(request.get("UserName", ""), request.caller, world)
    return world.directory.get(USER, request.caller.account, name)


def list_access_keys(request: Request, world: World) -> Answer:
    user = user_or_caller(request, world)
    items = (
        (
            access_key,
            {
                "UserName": user.name,
                "AccessKeyId": access_key,
                "Status": held.status,
                "CreateDate": iam_descriptions.seconds(held.created),
            },
        )
        for access_key, held in sorted(user.access_keys.items())
    )
    return paged("AccessKeyMetadata", items, request)


def get_inline(kind: str) -> Run:
    def run(request: Request, world: World) -> Answer:
        identity = _identity(kind, request, world)
        held = identity.inline.get(request["PolicyName"])
        if held is None:
            raise no_inline(kind, request["PolicyName"])
        document = iam_descriptions.encoded(held.document)
        return {named(kind): identity.name, "PolicyName": request["PolicyName"], "PolicyDocument": document}

    return run


def list_inline(kind: str) -> Run:
    def run(request: Request, world: World) -> Answer:
        names = sorted(_identity(kind, request, world).inline)
        return paged("PolicyNames", ((name, name) for name in names), request)

    return run


def list_attached(kind: str) -> Run:
    def run(request: Request, world: World) -> Answer:
        prefix = request.get("PathPrefix", "/")
        arns = _identity(kind, request, world).attached
        policies = [policy for arn in arns if (policy := world.directory.managed(arn)) is not None]
        items = [
            (_page_name(policy), {"PolicyName": policy.name, "PolicyArn": policy.arn})
            for policy in policies
            if policy.path.startswith(prefix)
        ]
        return paged("AttachedPolicies", sorted(items, key=itemgetter(0)), request)

    return run


def list_tags(kind: str) -> Run:
    def run(request: Request, world: World) -> Answer:
        held = _policy(request, world).tags if kind == POLICY else _identity(kind, request, world).tags
        return paged_tags(held, request)

    return run


def get_policy(request: Request, world: World) -> Answer:
    return {"Policy": iam_descriptions.policy_in_full(_policy(request, world), world, request.caller.account)}


def list_policies(request: Request, world: World) -> Answer:
    """The account's own policies and those that AWS publishes, in the order of their names."""
    account, directory = request.caller.account, world.directory
    fits = _use_of(request, directory, account)
    items = (
        (name, iam_descriptions.policy(policy, world, account))
        for name, policy in policies_of(
            account, world, request.get("Scope", "All"), after_marker(request), request.get("PathPrefix", "/")
        )
        if fits(policy)
    )
    return paged("Policies", items, request)


def _use_of(request: Request, directory: Directory, account: str) -> Callable[[ManagedPolicy], bool]:
    """Whether a policy is used in the way that PolicyUsageFilter and OnlyAttached ask for. An unused policy is not a
    boundary: it counts as one that may give permissions."""
    wanted, attached_only = request.get("PolicyUsageFilter"), request.get("OnlyAttached", False)

    def fits(policy: ManagedPolicy) -> bool:
        if wanted == "PermissionsBoundary":
            return bool(bounded(directory, policy, account))
        if attached_only:
            return bool(attached(directory, policy, account))
        return wanted is None or not bounded(directory, policy, account) or bool(attached(directory, policy, account))

    return fits


def _page_name(policy: ManagedPolicy) -> str:
    """By name and not by ARN, which may be longer than a marker. An account may have a policy with the name of one of AWS's.
    AWS's is paged by its name with a space in it, which no name holds. So no page can end between two policies of one name and
    lose the second."""
    return f"{policy.name.lower()} aws" if policy.account == AWS else policy.name.lower()


def policies_of(account: str, world: World, scope: str, after: str, path: str) -> Iterator[tuple[str, ManagedPolicy]]:
    """(name to page by, policy), in order."""
    directory = world.directory
    own: Iterable[tuple[str, ManagedPolicy]] = ()
    aws: Iterable[tuple[str, ManagedPolicy]] = ()
    if scope != "AWS":
        names = directory.page(POLICY, account, after, path)
        own = (
            (each, directory.policies[directory.policy_arns[directory.ids[POLICY, account, each]]]) for each in names
        )
    if scope != "Local":
        named = {_page_name(each): each for each in PUBLISHED.values() if each.path.startswith(path)}
        aws = [(name, named[name]) for name in sorted(named) if name > after]
    return merge(own, aws, key=itemgetter(0))


def get_version(request: Request, world: World) -> Answer:
    policy = _policy(request, world)
    require_version(policy, request["VersionId"])
    return {"PolicyVersion": iam_descriptions.version(policy, request["VersionId"], document=True)}


def list_versions(request: Request, world: World) -> Answer:
    policy = _policy(request, world)
    items = ((name, iam_descriptions.version(policy, name, document=False)) for name in sorted(policy.versions))
    return paged("Versions", items, request)


def list_entities(request: Request, world: World) -> Answer:
    """The identities that have the policy, attached or as a boundary."""
    policy, directory = _policy(request, world), world.directory
    wanted = request.get("PolicyUsageFilter")
    ids: set[str] = set()
    if wanted in (None, "PermissionsPolicy"):
        ids |= attached(directory, policy, request.caller.account)
    if wanted in (None, "PermissionsBoundary"):
        ids |= bounded(directory, policy, request.caller.account)
    prefix, only = request.get("PathPrefix", "/"), request.get("EntityFilter")
    holding = (
        (f"{each.kind}/{each.name}", each)
        for each in (directory.identities[id] for id in ids)
        if each.path.startswith(prefix) and only in (None, each.kind.capitalize())
    )
    page = paged("Entities", next_of(holding, request), request)
    result: Answer = {"PolicyGroups": [], "PolicyUsers": [], "PolicyRoles": []}
    for identity in page.pop("Entities"):
        noun = identity.kind.capitalize()
        result[f"Policy{noun}s"].append({f"{noun}Name": identity.name, f"{noun}Id": identity.id})
    return result | page


def empty(member: str) -> Run:
    """An empty list of something that Keytrail does not have. Some clients ask for it before they delete a user or a role."""
    return lambda request, world: {member: [], "IsTruncated": False}
