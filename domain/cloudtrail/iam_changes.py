"""What a CloudTrail record of IAM changed, as our own events: users, groups, roles, their policies, and managed
policies."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from domain.arn import ACCOUNT_ID, iam_arn, parse_arn
from domain.cloudtrail.quotas import require_length, require_room
from domain.cloudtrail.record import Broken, CausedEvents, TrailReading
from domain.errors import Refusal
from domain.identities.identity import GROUP, POLICY, ROLE, USER, Identity
from domain.log import events as kms
from domain.log import identity_events as iam
from domain.policy import unseen
from domain.policy.parse import INLINE, MANAGED, TRUST, PolicyKind, parse_policy
from domain.state.world import World

NOUNS = {USER: "User", GROUP: "Group", ROLE: "Role"}


def text_of(holder: Mapping[str, Any], name: str) -> str:
    """Raises Broken."""
    found = holder.get(name)
    if not isinstance(found, str) or not found:
        raise Broken(f"it does not say {name}")
    return found


def given(holder: Mapping[str, Any], name: str) -> str:
    found = holder.get(name)
    return found if isinstance(found, str) else ""


def _document(reading: TrailReading, name: str, kind: PolicyKind) -> str:
    """Raises Broken."""
    text = text_of(reading.parameters, name)
    require_length(text, "policy")
    try:
        parse_policy(text, kind)
    except (Refusal, ValueError) as fault:
        raise Broken(f"its policy cannot be read: {fault}") from None
    return text


def tags_of(told: Any) -> dict[str, str]:
    """Tags in the form of KMS or of IAM, without any tag that could be taken for our own mark."""
    found = {}
    for each in told if isinstance(told, list) else ():
        if isinstance(each, dict):
            name = each.get("TagKey", each.get("Key", each.get("tagKey", each.get("key"))))
            value = each.get("TagValue", each.get("Value", each.get("tagValue", each.get("value", ""))))
            if isinstance(name, str) and name != unseen.NAME:
                found[name] = str(value)
    return found


def _said(reading: TrailReading, noun: str, member: str) -> str:
    """A member of the object that the answer describes; its first letter may be upper or lower case."""
    held = reading.response.get(noun)
    folded = {name.lower(): value for name, value in held.items()} if isinstance(held, dict) else {}
    return str(folded.get(member.lower()) or "")


def _made(kind: str) -> Callable[[TrailReading, World], CausedEvents]:
    noun = NOUNS[kind]

    def events(reading: TrailReading, world: World) -> CausedEvents:
        told, account, directory = reading.parameters, reading.account, world.directory
        require_room({}, tags_of(told.get("Tags")), "tags")
        require_length(given(told, "Description"), "description")
        name = text_of(told, f"{noun}Name")
        path = given(told, "Path") or "/"
        arn = iam_arn(account, kind, path, name)
        old = directory.find(kind, account, name)
        met = old is not None and old.arn == arn and old.id.startswith("ARN:")
        unique = _said(reading, noun.lower(), f"{noun}Id") or (old.id if old and met else id_without(arn, world))
        if unique in directory.identities:
            return  # its use was seen before, or it was recorded twice
        if old is not None:
            yield from identity_gone(old, world)
        boundary = given(told, "PermissionsBoundary")
        if boundary:
            yield from _policy_there(world, boundary)
        if kind == USER:
            yield iam.UserCreated(account, unique, name, path, tags_of(told.get("Tags")), boundary)
        elif kind == GROUP:
            yield iam.GroupCreated(account, unique, name, path)
        else:
            trust = _document(reading, "AssumeRolePolicyDocument", TRUST)
            tags, about = tags_of(told.get("Tags")), given(told, "Description")
            yield iam.RoleCreated(account, unique, name, path, trust, {}, about, 3600, tags, boundary)

    return events


def id_without(arn: str, world: World) -> str:
    """An id for an identity whose unique id no record tells: its ARN. If another identity came by that name, and was
    renamed since, it keeps the id, and the number of the last change makes another."""
    unique = f"ARN:{arn}"
    return unique if unique not in world.directory.identities else f"{unique}#{world.position}"


def identity_gone(identity: Identity, world: World) -> CausedEvents:
    """IAM deletes no group that has members, so they had left it, though the trail may not have seen that (API reference,
    DeleteGroup)."""
    for user in list(world.directory.members.get(identity.id, ())):
        yield iam.MemberRemoved(identity.account, identity.id, user)
    yield iam.IdentityDeleted(identity.account, identity.kind, identity.id, identity.name)


def identity_met(account: str, kind: str, unique: str, name: str, path: str) -> CausedEvents:
    """An identity that the trail did not see made, with policies that it did not see either."""
    if kind == USER:
        yield iam.UserCreated(account, unique, name, path, {}, "")
    elif kind == GROUP:
        yield iam.GroupCreated(account, unique, name, path)
    else:
        yield iam.RoleCreated(account, unique, name, path, NO_TRUST, {}, "", 3600, {}, "")
    what = unseen.policies_of(iam_arn(account, kind, path, name))
    yield iam.InlinePolicyPut(account, kind, unique, unseen.NAME, what)


def _there(world: World, kind: str, account: str, name: str) -> CausedEvents:
    if world.directory.find(kind, account, name) is None:
        yield from identity_met(account, kind, id_without(iam_arn(account, kind, "/", name), world), name, "/")


VERSION_ID = re.compile(r"v[1-9][0-9]{0,8}")
"""The id of a managed policy's version."""
NO_TRUST = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"sts:None"}]}'
"""The trust policy of a role that the trail did not see made. Nothing here evaluates it."""


def _policy_there(world: World, arn: str) -> CausedEvents:
    """Adds a managed policy that the trail did not see made, with a document that was never seen. AWS's own policies
    are among these."""
    if arn not in world.directory.policies:
        yield from unseen_policy(arn)


def unseen_policy(arn: str) -> CausedEvents:
    """A managed policy that is known only by its ARN; no event if the ARN is not of a managed policy."""
    parsed = parse_arn(arn)
    if parsed is not None and parsed.resource.startswith("policy/"):
        path, _, name = parsed.resource.removeprefix("policy").rpartition("/")
        document = unseen.document(f"the managed policy {arn}", of_key=False)
        yield iam.ManagedPolicyCreated(parsed.account, f"ARN:{arn}", name, f"{path}/", "", document, {})


Make = Callable[[Identity, TrailReading, World], CausedEvents]


def named_identity(reading: TrailReading, kind: str) -> str:
    """The name of the identity that a request is about. A request that names no user is about its caller."""
    name = given(reading.parameters, f"{NOUNS[kind]}Name")
    return reading.principal.rpartition("/")[2] if not name and kind == USER else name


def _held(world: World, kind: str, account: str, name: str) -> Identity:
    """An identity that is known to exist."""
    held = world.directory.find(kind, account, name)
    assert held is not None, "it was put there"
    return held


def _on(kind: str, make: Make) -> Callable[[TrailReading, World], CausedEvents]:
    """The event of an identity. An identity that the trail has not seen is added first."""

    def events(reading: TrailReading, world: World) -> CausedEvents:
        name = named_identity(reading, kind)
        if not name:
            raise Broken(f"it does not say {NOUNS[kind]}Name")
        yield from _there(world, kind, reading.account, name)
        yield from make(_held(world, kind, reading.account, name), reading, world)

    return events


def _put_policy(held: Identity, reading: TrailReading, world: World) -> CausedEvents:
    name, text = text_of(reading.parameters, "PolicyName"), _document(reading, "PolicyDocument", INLINE)
    require_room({each: policy.document for each, policy in held.inline.items()}, {name: text}, "inline policies")
    yield iam.InlinePolicyPut(held.account, held.kind, held.id, name, text)


def _delete_policy(held: Identity, reading: TrailReading, world: World) -> CausedEvents:
    yield iam.InlinePolicyDeleted(held.account, held.kind, held.id, text_of(reading.parameters, "PolicyName"))


def _attach(held: Identity, reading: TrailReading, world: World) -> CausedEvents:
    arn = text_of(reading.parameters, "PolicyArn")
    require_room(dict.fromkeys(held.attached, ""), {arn: ""}, "managed policies")
    yield from _policy_there(world, arn)
    yield iam.PolicyAttached(held.account, held.kind, held.id, arn)


def _detach(held: Identity, reading: TrailReading, world: World) -> CausedEvents:
    arn = text_of(reading.parameters, "PolicyArn")
    if arn in held.attached or unseen.NAME in held.inline:  # it was attached, though the trail did not see that
        yield from _policy_there(world, arn)
        yield iam.PolicyDetached(held.account, held.kind, held.id, arn)


def _bound(held: Identity, reading: TrailReading, world: World) -> CausedEvents:
    arn = text_of(reading.parameters, "PermissionsBoundary")
    yield from _policy_there(world, arn)
    yield iam.BoundarySet(held.account, held.kind, held.id, arn)


def _unbound(held: Identity, reading: TrailReading, world: World) -> CausedEvents:
    yield iam.BoundarySet(held.account, held.kind, held.id, "")


def _tag(held: Identity, reading: TrailReading, world: World) -> CausedEvents:
    tags = tags_of(reading.parameters.get("Tags"))
    require_room(held.tags, tags, "tags")
    yield iam.IdentityTagged(held.account, held.kind, held.id, tags)


def _untag(held: Identity, reading: TrailReading, world: World) -> CausedEvents:
    keys = [each for each in reading.parameters.get("TagKeys") or () if isinstance(each, str)]
    yield iam.IdentityUntagged(held.account, held.kind, held.id, keys)


def _delete(held: Identity, reading: TrailReading, world: World) -> CausedEvents:
    yield from identity_gone(held, world)


def _update(held: Identity, reading: TrailReading, world: World) -> CausedEvents:
    noun = NOUNS[held.kind]
    name = given(reading.parameters, f"New{noun}Name") or held.name
    path = given(reading.parameters, "NewPath") or held.path
    other = world.directory.find(held.kind, held.account, name)
    if other is not None and other.id != held.id:  # the name was free, so it was deleted, which the trail did not see
        yield from identity_gone(other, world)
    if (name, path) != (held.name, held.path):
        yield iam.IdentityMoved(held.account, held.kind, held.id, name, path)


def _trust(held: Identity, reading: TrailReading, world: World) -> CausedEvents:
    version = held.role.version + 1 if held.role is not None else 1
    yield iam.TrustReplaced(held.account, held.id, version, _document(reading, "PolicyDocument", TRUST), {})


def _member(group: Identity, reading: TrailReading, world: World) -> CausedEvents:
    name = text_of(reading.parameters, "UserName")
    yield from _there(world, USER, group.account, name)
    user = _held(world, USER, group.account, name)
    inside = group.id in user.groups
    if reading.operation == "AddUserToGroup":
        if not inside:
            require_room(dict.fromkeys(user.groups, ""), {group.id: ""}, "groups")
            yield iam.MemberAdded(group.account, group.id, user.id)
    elif inside:
        yield iam.MemberRemoved(group.account, group.id, user.id)


def _create_policy(reading: TrailReading, world: World) -> CausedEvents:
    told = reading.parameters
    name, path = text_of(told, "PolicyName"), given(told, "Path") or "/"
    arn = _said(reading, "policy", "arn") or iam_arn(reading.account, POLICY, path, name)
    unique = _said(reading, "policy", "policyId") or f"ARN:{arn}"
    held = world.directory.policies.get(arn)
    if unique in world.directory.policy_arns:
        return
    if held is not None:
        yield from _policy_gone(arn, reading, world)
    document, about = _document(reading, "PolicyDocument", MANAGED), given(told, "Description")
    require_length(about, "description")
    require_room({}, tags_of(told.get("Tags")), "tags")
    yield iam.ManagedPolicyCreated(reading.account, unique, name, path, about, document, tags_of(told.get("Tags")))


def _on_policy(
    make: Callable[[str, TrailReading, World], CausedEvents],
) -> Callable[[TrailReading, World], CausedEvents]:
    def events(reading: TrailReading, world: World) -> CausedEvents:
        arn = text_of(reading.parameters, "PolicyArn")
        yield from _policy_there(world, arn)
        if arn in world.directory.policies:
            yield from make(arn, reading, world)

    return events


def _version_made(arn: str, reading: TrailReading, world: World) -> CausedEvents:
    held = world.directory.policies[arn]
    version = _said(reading, "policyVersion", "versionId") or f"v{held.latest + 1}"
    default = reading.parameters.get("SetAsDefault") is True
    document = _document(reading, "PolicyDocument", MANAGED)
    require_room({each: it.document for each, it in held.versions.items()}, {version: document}, "versions")
    yield iam.PolicyVersionCreated(held.account, held.id, version, document, default)


def _default_set(arn: str, reading: TrailReading, world: World) -> CausedEvents:
    held, version = world.directory.policies[arn], text_of(reading.parameters, "VersionId")
    if version not in held.versions:  # the policy is older than the trail: what this version says was never seen
        what = unseen.document(f"version {version} of the managed policy {arn}", of_key=False)
        require_room({each: it.document for each, it in held.versions.items()}, {version: what}, "versions")
        yield iam.PolicyVersionCreated(held.account, held.id, version, what, False)
    yield iam.DefaultVersionSet(held.account, held.id, version)


def _version_gone(arn: str, reading: TrailReading, world: World) -> CausedEvents:
    held, version = world.directory.policies[arn], text_of(reading.parameters, "VersionId")
    seen = not any(unseen.is_document(each.document) for each in held.versions.values())
    if version != held.default and (version in held.versions or not seen):
        yield iam.PolicyVersionDeleted(held.account, held.id, version)


def _policy_gone(arn: str, reading: TrailReading, world: World) -> CausedEvents:
    """IAM deletes no policy that an identity has, attached or as its boundary (API reference, DeletePolicy)."""
    held, directory = world.directory.policies[arn], world.directory
    for unique in sorted(directory.attached_to.get(arn, ())):
        yield iam.PolicyDetached(held.account, directory.identities[unique].kind, unique, arn)
    for unique in sorted(directory.bounded_by.get(arn, ())):
        yield iam.BoundarySet(held.account, directory.identities[unique].kind, unique, "")
    yield iam.ManagedPolicyDeleted(held.account, held.id, held.name)


def _of_access_key(reading: TrailReading, world: World) -> CausedEvents:
    """An access key of the named user or, if the request names no user, of the caller; for root, the account's access
    key."""
    told = reading.parameters
    made = _said(reading, "accessKey", "accessKeyId")
    access_key = made if reading.operation == "CreateAccessKey" else text_of(told, "AccessKeyId")
    if not access_key:
        raise Broken("it does not say which access key was made")
    name = given(told, "UserName") or _said(reading, "accessKey", "userName")
    if not name and not reading.principal.startswith(f"arn:aws:iam::{reading.account}:user/"):
        yield from _of_root(access_key, reading, world)
        return
    name = name or reading.principal.rpartition("/")[2]
    yield from _there(world, USER, reading.account, name)
    held = _held(world, USER, reading.account, name)
    if access_key not in held.access_keys:
        require_room(dict.fromkeys(held.access_keys, ""), {access_key: ""}, "access keys")
        other = world.directory.identities.get(world.directory.users_of.get(access_key, ""))
        if (
            other is not None
        ):  # an access key never changes hands: the trail did not see that this user got another name
            yield iam.UserAccessKeyDeleted(other.account, other.id, access_key)
        yield iam.UserAccessKeyCreated(held.account, held.id, access_key)
    if reading.operation == "UpdateAccessKey":
        yield iam.UserAccessKeyChanged(held.account, held.id, access_key, text_of(told, "Status"))
    elif reading.operation == "DeleteAccessKey":
        yield iam.UserAccessKeyDeleted(held.account, held.id, access_key)


def _of_root(access_key: str, reading: TrailReading, world: World) -> CausedEvents:
    if not ACCOUNT_ID.fullmatch(reading.account):
        raise Broken("it does not say whose access key")
    if reading.account not in world.accounts:
        yield kms.AccountCreated(reading.account, f"root-of-{reading.account}")
    ended = reading.operation == "DeleteAccessKey" or given(reading.parameters, "Status") == "Inactive"
    if not ended or access_key not in world.accounts[reading.account].access_keys:
        yield kms.AccessKeyCreated(reading.account, access_key)
    if ended:
        yield kms.AccessKeyDisabled(reading.account, access_key)


def _service_role(reading: TrailReading, world: World) -> CausedEvents:
    """A role that a service made for itself; the answer describes the role."""
    account = reading.account
    arn = parse_arn(_said(reading, "role", "arn"))
    name, unique = _said(reading, "role", "roleName"), _said(reading, "role", "roleId")
    if arn is None or not name:
        raise Broken("it does not say which role was made")
    path = f"/{arn.resource.removeprefix('role/').rpartition('/')[0]}/"
    if unique in world.directory.identities or world.directory.find(ROLE, account, name) is not None:
        return
    unique = unique or f"ARN:{iam_arn(account, ROLE, path, name)}"
    yield iam.RoleCreated(
        account, unique, name, path, NO_TRUST, {}, given(reading.parameters, "Description"), 3600, {}, ""
    )
    # The service's own policy is attached to the role, but the record does not say so.
    what = unseen.policies_of(iam_arn(account, ROLE, path, name))
    yield iam.InlinePolicyPut(account, ROLE, unique, unseen.NAME, what)


def _policy_tagged(arn: str, reading: TrailReading, world: World) -> CausedEvents:
    held = world.directory.policies[arn]
    if reading.operation == "TagPolicy":
        tags = tags_of(reading.parameters.get("Tags"))
        require_room(held.tags, tags, "tags")
        yield iam.IdentityTagged(held.account, POLICY, held.id, tags)
    else:
        keys = [each for each in reading.parameters.get("TagKeys") or () if isinstance(each, str)]
        yield iam.IdentityUntagged(held.account, POLICY, held.id, keys)


IAM: dict[str, Callable[[TrailReading, World], CausedEvents]] = {
    **{f"Create{noun}": _made(kind) for kind, noun in NOUNS.items()},
    **{f"Delete{noun}": _on(kind, _delete) for kind, noun in NOUNS.items()},
    **{f"Put{noun}Policy": _on(kind, _put_policy) for kind, noun in NOUNS.items()},
    **{f"Delete{noun}Policy": _on(kind, _delete_policy) for kind, noun in NOUNS.items()},
    **{f"Attach{noun}Policy": _on(kind, _attach) for kind, noun in NOUNS.items()},
    **{f"Detach{noun}Policy": _on(kind, _detach) for kind, noun in NOUNS.items()},
    **{f"Put{NOUNS[kind]}PermissionsBoundary": _on(kind, _bound) for kind in (USER, ROLE)},
    **{f"Delete{NOUNS[kind]}PermissionsBoundary": _on(kind, _unbound) for kind in (USER, ROLE)},
    **{f"Tag{NOUNS[kind]}": _on(kind, _tag) for kind in (USER, ROLE)},
    **{f"Untag{NOUNS[kind]}": _on(kind, _untag) for kind in (USER, ROLE)},
    **{f"Update{NOUNS[kind]}": _on(kind, _update) for kind in (USER, GROUP)},
    "UpdateAssumeRolePolicy": _on(ROLE, _trust),
    "AddUserToGroup": _on(GROUP, _member),
    "RemoveUserFromGroup": _on(GROUP, _member),
    "CreateAccessKey": _of_access_key,
    "UpdateAccessKey": _of_access_key,
    "DeleteAccessKey": _of_access_key,
    "CreateServiceLinkedRole": _service_role,
    "TagPolicy": _on_policy(_policy_tagged),
    "UntagPolicy": _on_policy(_policy_tagged),
    "CreatePolicy": _create_policy,
    "CreatePolicyVersion": _on_policy(_version_made),
    "SetDefaultPolicyVersion": _on_policy(_default_set),
    "DeletePolicyVersion": _on_policy(_version_gone),
    "DeletePolicy": _on_policy(_policy_gone),
}
