"""What a CloudTrail record changed, as events of our own catalogue; `evolve` applies them.

A key, an alias or an identity must exist before an event can mention it. If the trail did not see it made, events of
its own add it, marked as unseen (unseen.py). A record of a refused call changed nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from domain.arn import account_in
from domain.cloudtrail.first_seen import (
    account_there,
    caller_there,
    created,
    key_id,
    key_there,
    keys_met,
    named_in,
    named_there,
    principal_there,
    principals,
)
from domain.cloudtrail.grants import constraints_in, matched_as
from domain.cloudtrail.iam_changes import IAM, NOUNS, given, tags_of, text_of
from domain.cloudtrail.quotas import require_length, require_room
from domain.cloudtrail.record import Broken, CausedEvents, TrailReading, moment
from domain.crypto.specs import SPECS
from domain.durations import DAY_MICROS
from domain.errors import Refusal
from domain.log import events as kms
from domain.log import identity_events as iam
from domain.log.codec import rfc3339
from domain.policy import unseen
from domain.policy.default import default_key_policy
from domain.policy.parse import KEY, parse_policy
from domain.state.world import World


def met_in(reading: TrailReading, world: World) -> CausedEvents:
    """Events that add what the record mentions and what existed before the call."""
    for arn in keys_met(reading):
        yield from key_there(world, arn)
    yield from caller_there(reading, world)


def changes_of(reading: TrailReading, world: World) -> CausedEvents:
    """The events; each must be applied before the next is requested. Raises Broken if the record lacks something that
    it should say."""
    yield from met_in(reading, world)
    yield from made_by(reading, world)


def made_by(reading: TrailReading, world: World) -> CausedEvents:
    """What the record changed, after everything that it mentions was added. Raises Broken."""
    if reading.refused:
        return
    made = BY_OPERATION.get(reading.service, {}).get(reading.operation)
    if made is not None:
        yield from made(reading, world)


def is_change(reading: TrailReading) -> bool:
    return reading.operation in BY_OPERATION.get(reading.service, {})


def _policy(text: str) -> str:
    """Returns the text if it is a readable policy. Raises Broken."""
    require_length(text, "policy")
    try:
        parse_policy(text, KEY)
    except Refusal as fault:
        raise Broken(f"its policy cannot be read: {fault.message}") from None
    return text


# -- KMS ------------------------------------------------------------------------------------------------------------------


def _create_key(reading: TrailReading, world: World) -> CausedEvents:
    """A CreateKey without a policy gives the key the default policy."""
    metadata = _folded(reading.response.get("keyMetadata") or reading.response.get("KeyMetadata"))
    arn = reading.key or str(metadata.get("arn") or "")
    key = key_id(arn) if arn else named_in(reading, str(metadata.get("keyid") or ""))
    account = str(metadata.get("awsaccountid") or account_in(arn) or reading.account)
    if not key:
        raise Broken("it does not say which key was made")
    if key in world.keys or key in world.deleted:
        return
    told = reading.parameters
    require_room({}, tags_of(told.get("Tags")), "tags")
    require_length(given(told, "Description"), "description")
    text = given(told, "Policy")
    policy = _policy(text) if text else default_key_policy(account)
    spec = given(told, "KeySpec") or given(told, "CustomerMasterKeySpec") or "SYMMETRIC_DEFAULT"
    yield from account_there(world, account)
    yield from named_there(policy, world)
    yield created(
        key,
        account,
        policy,
        tags_of(told.get("Tags")),
        principals(policy, world),
        spec=spec if spec in SPECS else "SYMMETRIC_DEFAULT",
        usage=given(told, "KeyUsage") or "ENCRYPT_DECRYPT",
        origin=given(told, "Origin") or "AWS_KMS",
        description=given(told, "Description"),
    )


def _folded(holder: Any) -> dict[str, Any]:
    return {name.lower(): value for name, value in holder.items()} if isinstance(holder, dict) else {}


def _put_key_policy(reading: TrailReading, world: World) -> CausedEvents:
    key = world.keys.get(key_id(_need_key(reading)))
    if key is None:
        raise Broken("the key had been deleted by then")
    text = _policy(text_of(reading.parameters, "Policy"))
    bypassed = reading.parameters.get("BypassPolicyLockoutSafetyCheck") is True
    yield from named_there(text, world)
    yield kms.PolicyReplaced(key.id, key.policy_version + 1, text, bypassed, False, principals(text, world))
    mark = unseen.unseen_of(key.tags)
    if mark != unseen.without_policy(mark):
        tags = {**world.keys[key.id].tags, unseen.NAME: unseen.without_policy(mark)}
        yield kms.KeyTagged(key.id, {unseen.NAME: unseen.without_policy(mark)}, tags)


def _need_key(reading: TrailReading) -> str:
    if not reading.key:
        raise Broken("it does not say which key")
    return reading.key


def _on_key(
    make: Callable[[str, TrailReading, World], Sequence[object]],
) -> Callable[[TrailReading, World], CausedEvents]:
    def events(reading: TrailReading, world: World) -> CausedEvents:
        key = key_id(_need_key(reading))
        if key in world.keys:
            yield from make(key, reading, world)

    return events


def _schedule(key: str, reading: TrailReading, world: World) -> Sequence[object]:
    days = reading.parameters.get("PendingWindowInDays", 30)
    days = days if isinstance(days, int) else 30
    told = _folded(reading.response).get("deletiondate")
    try:
        due = moment(told) if told is not None else reading.at + days * DAY_MICROS
    except Broken:
        due = reading.at + days * DAY_MICROS
    return [kms.DeletionScheduled(key, days, rfc3339(due))]


def _describe(key: str, reading: TrailReading, world: World) -> Sequence[object]:
    text = given(reading.parameters, "Description")
    require_length(text, "description")
    return [kms.KeyDescribed(key, text)]


def _tag(key: str, reading: TrailReading, world: World) -> Sequence[object]:
    tags, held = tags_of(reading.parameters.get("Tags")), world.keys[key].tags
    require_room(held, tags, "tags")
    return [kms.KeyTagged(key, tags, {**held, **tags})]


def _untag(key: str, reading: TrailReading, world: World) -> Sequence[object]:
    gone = [each for each in reading.parameters.get("TagKeys") or () if isinstance(each, str) and each != unseen.NAME]
    left = {name: value for name, value in world.keys[key].tags.items() if name not in gone}
    return [kms.KeyUntagged(key, gone, left)]


def _delete_key(key: str, reading: TrailReading, world: World) -> Sequence[object]:
    held = world.keys[key]
    stored = [each.stored for each in held.materials if each.stored]
    return [
        kms.KeyDeleted(
            key, held.account, list(world.aliases_of(key)), world.grant_index.named_when_deleted(key), stored
        )
    ]


def _enable_rotation(key: str, reading: TrailReading, world: World) -> Sequence[object]:
    period = reading.parameters.get("RotationPeriodInDays", 365)
    period = period if isinstance(period, int) else 365
    return [kms.RotationEnabled(key, period, rfc3339(reading.at + period * DAY_MICROS))]


def _rotated(key: str, reading: TrailReading, world: World) -> Sequence[object]:
    material = reading.id
    require_room({each.id: "" for each in world.keys[key].materials}, {material: ""}, "key materials")
    return [
        kms.KeyRotated(
            key, material, material, "", "AUTOMATIC" if reading.operation == "RotateKey" else "ON_DEMAND", ""
        )
    ]


def _imported(key: str, reading: TrailReading, world: World) -> Sequence[object]:
    told = reading.parameters.get("ValidTo")
    try:
        valid_to = rfc3339(moment(told)) if told is not None else ""
    except Broken:
        valid_to = ""
    first = world.keys[key].materials
    material = first[0].id if first else key
    return [kms.MaterialImported(key, material, f"{key}/{reading.id}", "", "", valid_to, "", False, "Enabled")]


def _material_gone(key: str, reading: TrailReading, world: World) -> Sequence[object]:
    made = kms.MaterialExpired if reading.operation == "DeleteExpiredKeyMaterial" else kms.MaterialDeleted
    return [made(key, each.id, each.stored, "PendingImport") for each in world.keys[key].materials if each.stored]


def _create_alias(reading: TrailReading, world: World) -> CausedEvents:
    yield from _alias_to(reading, world, key_id(_need_key(reading)))


def _alias_to(reading: TrailReading, world: World, key: str) -> CausedEvents:
    name = text_of(reading.parameters, "AliasName")
    if key not in world.keys:
        return
    account = world.keys[key].account
    held = world.alias_index.of(reading.region).get((account, name))
    if held is None:
        yield kms.AliasCreated(account, name, key)
    elif held.key != key:
        yield kms.AliasMoved(account, name, key, held.key)


def _update_alias(reading: TrailReading, world: World) -> CausedEvents:
    target = given(reading.parameters, "TargetKeyId")
    key = named_in(reading, target) if target else key_id(_need_key(reading))
    if key not in world.keys:
        yield from key_there(world, f"arn:aws:kms:{reading.region}:{reading.account}:key/{key.partition('@')[0]}")
    yield from _alias_to(reading, world, key)


def _delete_alias(reading: TrailReading, world: World) -> CausedEvents:
    name = text_of(reading.parameters, "AliasName")
    _, colon, rest = name.partition(":alias/")
    name = f"alias/{rest}" if colon else name
    owners = [world.keys[key_id(reading.key)].account] if key_id(reading.key) in world.keys else []
    for account in dict.fromkeys((*owners, reading.account)):
        held = world.alias_index.of(reading.region).get((account, name))
        if held is not None:
            yield kms.AliasDeleted(account, name, held.key)
            return
    for account in owners:  # the alias existed, though the trail did not see it made
        yield kms.AliasCreated(account, name, key_id(reading.key))
        yield kms.AliasDeleted(account, name, key_id(reading.key))


def _create_grant(reading: TrailReading, world: World) -> CausedEvents:
    key, told = key_id(_need_key(reading)), reading.parameters
    grant = str(_folded(reading.response).get("grantid") or "")
    if not grant:
        raise Broken("it does not say which grant was made")
    if key not in world.keys or grant in world.grants.get(key, {}):
        return
    grantee = _grantee(told, "Grantee")
    retiring = _grantee(told, "Retiring")
    for name in (grantee, retiring):
        yield from principal_there(name, world)
    constraints = constraints_in(told)
    yield kms.GrantCreated(
        key=key,
        grant=grant,
        name=given(told, "Name"),
        grantee=grantee.removeprefix("Service:"),
        grantee_id=matched_as(grantee, world),
        retiring=retiring,
        retiring_id=matched_as(retiring, world),
        operations=sorted({each for each in told.get("Operations") or () if isinstance(each, str)}),
        constraints=constraints,
        issuer=reading.principal,
        issued_by=reading.account,
        parent="",
    )


def _grantee(told: Mapping[str, Any], which: str) -> str:
    service = given(told, f"{which}ServicePrincipal")
    return f"Service:{service}" if service else given(told, f"{which}Principal")


def _end_grant(reading: TrailReading, world: World) -> CausedEvents:
    """If RetireGrant's parameters are null, the id is in additionalEventData."""
    grant = (
        given(reading.parameters, "GrantId")
        or given(reading.extra, "grantId")
        or str(_folded(reading.response).get("grantid") or "")
    )
    key = key_id(reading.key)
    held = world.grants.get(key, {})
    if not grant and not key:
        raise Broken("it does not say which grant")
    key_held = world.keys.get(key)
    was_there = key_held is not None and unseen.GRANTS in unseen.unseen_of(key_held.tags)
    if grant and (grant in held or was_there):
        made = kms.GrantRevoked if reading.operation == "RevokeGrant" else kms.GrantRetired
        yield made(key, grant)


def _replicate(reading: TrailReading, world: World) -> CausedEvents:
    """The replica is another key, in another Region. As with CreateKey, the request tells its whole policy."""
    region = text_of(reading.parameters, "ReplicaRegion")
    metadata = _folded(_folded(reading.response).get("replicakeymetadata"))
    arn = str(
        metadata.get("arn") or f"arn:aws:kms:{region}:{reading.account}:key/{_need_key(reading).rpartition('/')[2]}"
    )
    if key_id(arn) not in world.keys:
        yield from key_there(world, arn)


KMS: dict[str, Callable[[TrailReading, World], CausedEvents]] = {
    "CreateKey": _create_key,
    "PutKeyPolicy": _put_key_policy,
    "EnableKey": _on_key(lambda key, reading, world: [kms.KeyEnabled(key)]),
    "DisableKey": _on_key(lambda key, reading, world: [kms.KeyDisabled(key)]),
    "UpdateKeyDescription": _on_key(_describe),
    "TagResource": _on_key(_tag),
    "UntagResource": _on_key(_untag),
    "ScheduleKeyDeletion": _on_key(_schedule),
    "CancelKeyDeletion": _on_key(lambda key, reading, world: [kms.DeletionCancelled(key, "Disabled")]),
    "DeleteKey": _on_key(_delete_key),
    "EnableKeyRotation": _on_key(_enable_rotation),
    "DisableKeyRotation": _on_key(lambda key, reading, world: [kms.RotationDisabled(key)]),
    "RotateKey": _on_key(_rotated),
    "RotateKeyOnDemand": _on_key(_rotated),
    "ImportKeyMaterial": _on_key(_imported),
    "DeleteImportedKeyMaterial": _on_key(_material_gone),
    "DeleteExpiredKeyMaterial": _on_key(_material_gone),
    "CreateAlias": _create_alias,
    "UpdateAlias": _update_alias,
    "DeleteAlias": _delete_alias,
    "CreateGrant": _create_grant,
    "RevokeGrant": _end_grant,
    "RetireGrant": _end_grant,
    "ReplicateKey": _replicate,
}

_ACCESS_KEY: tuple[type, ...] = (iam.UserAccessKeyCreated, kms.AccessKeyCreated)
OWN: dict[str, tuple[type, ...]] = {
    "CreateKey": (kms.KeyCreated,),
    "PutKeyPolicy": (kms.PolicyReplaced,),
    "EnableKey": (kms.KeyEnabled,),
    "DisableKey": (kms.KeyDisabled,),
    "UpdateKeyDescription": (kms.KeyDescribed,),
    "TagResource": (kms.KeyTagged,),
    "UntagResource": (kms.KeyUntagged,),
    "ScheduleKeyDeletion": (kms.DeletionScheduled,),
    "CancelKeyDeletion": (kms.DeletionCancelled,),
    "DeleteKey": (kms.KeyDeleted,),
    "EnableKeyRotation": (kms.RotationEnabled,),
    "DisableKeyRotation": (kms.RotationDisabled,),
    "RotateKey": (kms.KeyRotated,),
    "RotateKeyOnDemand": (kms.KeyRotated,),
    "ImportKeyMaterial": (kms.MaterialImported,),
    "DeleteImportedKeyMaterial": (kms.MaterialDeleted,),
    "DeleteExpiredKeyMaterial": (kms.MaterialExpired,),
    "CreateAlias": (kms.AliasCreated, kms.AliasMoved),
    "UpdateAlias": (kms.AliasMoved, kms.AliasCreated),
    "DeleteAlias": (kms.AliasDeleted,),
    "CreateGrant": (kms.GrantCreated,),
    "RevokeGrant": (kms.GrantRevoked,),
    "RetireGrant": (kms.GrantRetired,),
    "ReplicateKey": (),
    "CreateUser": (iam.UserCreated,),
    "CreateGroup": (iam.GroupCreated,),
    "CreateRole": (iam.RoleCreated,),
    "CreateServiceLinkedRole": (iam.RoleCreated,),
    **{f"Delete{noun}": (iam.IdentityDeleted,) for noun in NOUNS.values()},
    **{f"Put{noun}Policy": (iam.InlinePolicyPut,) for noun in NOUNS.values()},
    **{f"Delete{noun}Policy": (iam.InlinePolicyDeleted,) for noun in NOUNS.values()},
    **{f"Attach{noun}Policy": (iam.PolicyAttached,) for noun in NOUNS.values()},
    **{f"Detach{noun}Policy": (iam.PolicyDetached,) for noun in NOUNS.values()},
    **{
        f"{verb}{noun}PermissionsBoundary": (iam.BoundarySet,)
        for noun in ("User", "Role")
        for verb in ("Put", "Delete")
    },
    **{f"Tag{noun}": (iam.IdentityTagged,) for noun in ("User", "Role", "Policy")},
    **{f"Untag{noun}": (iam.IdentityUntagged,) for noun in ("User", "Role", "Policy")},
    **{f"Update{noun}": (iam.IdentityMoved,) for noun in ("User", "Group")},
    "UpdateAssumeRolePolicy": (iam.TrustReplaced,),
    "AddUserToGroup": (iam.MemberAdded,),
    "RemoveUserFromGroup": (iam.MemberRemoved,),
    "CreateAccessKey": _ACCESS_KEY,
    "UpdateAccessKey": (iam.UserAccessKeyChanged, kms.AccessKeyDisabled, kms.AccessKeyCreated),
    "DeleteAccessKey": (iam.UserAccessKeyDeleted, kms.AccessKeyDisabled),
    "CreatePolicy": (iam.ManagedPolicyCreated,),
    "CreatePolicyVersion": (iam.PolicyVersionCreated,),
    "SetDefaultPolicyVersion": (iam.DefaultVersionSet,),
    "DeletePolicyVersion": (iam.PolicyVersionDeleted,),
    "DeletePolicy": (iam.ManagedPolicyDeleted,),
}
"""The events that each change is shown as. Any other event of a record only adds what had to exist before the
change."""


def is_own(operation: str, event: object) -> bool:
    """Whether an event is what the operation did, and not what the operation needed: added identities carry a mark."""
    if isinstance(event, iam.InlinePolicyPut) and event.policy == unseen.NAME:
        return False
    return isinstance(event, OWN[operation])


BY_OPERATION: dict[str, dict[str, Callable[[TrailReading, World], CausedEvents]]] = {"kms": KMS, "iam": IAM}
"""Every operation that changes something, by service."""
