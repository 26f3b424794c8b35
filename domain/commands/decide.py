"""One command to one outcome: who may, then the command's own rules; the table of every command there is.

The writer is this function, state and command in, one record's decision and event out. It has no clock, no chance and
no key material.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from domain.arn import iam_arn, key_arn, root_arn
from domain.authorization.caller import Caller
from domain.authorization.verdict import Verdict, decided_by, inputs, refusal_of
from domain.commands import (
    accounts,
    aliases,
    change_key,
    create_key,
    delete_key,
    grants,
    identity_policies,
    import_material,
    instance_profiles,
    managed_policies,
    mark_alert,
    put_key_policy,
    roles,
    rotate_key,
    service_key,
    service_linked_roles,
    tag_key,
    users_and_groups,
)
from domain.errors import CommandExpired, LimitExceeded, Refusal
from domain.identities.identity import GROUP, POLICY, PROFILE, ROLE, USER
from domain.log.events import AccountCreated
from domain.log.identity_events import (
    GroupCreated,
    InstanceProfileCreated,
    ManagedPolicyCreated,
    RoleCreated,
    UserCreated,
)
from domain.log.record import ALLOWED, REFUSED, Call, Decision
from domain.state.world import World

RequiredPermissions = Callable[[Any, Caller, World], tuple[Verdict, ...]]
Rule = Callable[[Any, Caller, World], object]

COMMANDS: dict[type, tuple[RequiredPermissions, Rule]] = {
    create_key.CreateKey: (create_key.required_permissions, create_key.decide),
    service_key.CreateServiceKey: (service_key.required_permissions, service_key.decide),
    put_key_policy.PutKeyPolicy: (put_key_policy.required_permissions, put_key_policy.decide),
    change_key.EnableKey: (change_key.permissions_to_enable, change_key.enable),
    change_key.DisableKey: (change_key.permissions_to_disable, change_key.disable),
    change_key.UpdateKeyDescription: (change_key.permissions_to_describe, change_key.describe),
    tag_key.TagResource: (tag_key.permissions_to_tag, tag_key.tag),
    tag_key.UntagResource: (tag_key.permissions_to_untag, tag_key.untag),
    rotate_key.EnableKeyRotation: (rotate_key.permissions_to_enable, rotate_key.enable),
    rotate_key.DisableKeyRotation: (rotate_key.permissions_to_disable, rotate_key.disable),
    rotate_key.RotateKeyOnDemand: (rotate_key.permissions_on_demand, rotate_key.on_demand),
    rotate_key.RotateKey: (rotate_key.permissions_when_due, rotate_key.rotate),
    import_material.ImportKeyMaterial: (import_material.permissions_to_import, import_material.take_in),
    import_material.DeleteImportedKeyMaterial: (import_material.permissions_to_delete, import_material.delete),
    import_material.ExpireMaterial: (import_material.permissions_when_due, import_material.expire),
    delete_key.ScheduleKeyDeletion: (delete_key.permissions_to_schedule, delete_key.schedule),
    delete_key.CancelKeyDeletion: (delete_key.permissions_to_cancel, delete_key.cancel),
    delete_key.DeleteKey: (delete_key.permissions_when_due, delete_key.delete),
    aliases.CreateAlias: (aliases.permissions_to_create, aliases.create),
    aliases.UpdateAlias: (aliases.permissions_to_update, aliases.update),
    aliases.DeleteAlias: (aliases.permissions_to_delete, aliases.delete),
    grants.CreateGrant: (grants.permissions_to_create, grants.create),
    grants.RetireGrant: (grants.permissions_to_retire, grants.retire),
    grants.RevokeGrant: (grants.permissions_to_revoke, grants.revoke),
    mark_alert.MarkAlert: (mark_alert.required_permissions, mark_alert.mark),
    accounts.CreateAccount: (accounts.permissions_to_create, accounts.create),
    accounts.SetAccountAlias: (accounts.permissions_to_set_alias, accounts.set_alias),
    users_and_groups.CreateUser: (users_and_groups.permissions_to_create_user, users_and_groups.create_user),
    users_and_groups.CreateGroup: (users_and_groups.permissions_to_create_group, users_and_groups.create_group),
    users_and_groups.MoveIdentity: (users_and_groups.permissions_to_move, users_and_groups.move),
    users_and_groups.DeleteIdentity: (users_and_groups.permissions_to_delete, users_and_groups.delete),
    users_and_groups.AddMember: (users_and_groups.permissions_to_add, users_and_groups.add),
    users_and_groups.RemoveMember: (users_and_groups.permissions_to_remove, users_and_groups.remove),
    users_and_groups.CreateAccessKey: (users_and_groups.permissions_to_create_key, users_and_groups.create_key),
    users_and_groups.UpdateAccessKey: (users_and_groups.permissions_to_update_key, users_and_groups.update_key),
    users_and_groups.DeleteAccessKey: (users_and_groups.permissions_to_delete_key, users_and_groups.delete_key),
    roles.CreateRole: (roles.permissions_to_create, roles.create),
    roles.DescribeRole: (roles.permissions_to_describe, roles.describe),
    service_linked_roles.CreateServiceLinked: (service_linked_roles.permissions_to_create, service_linked_roles.create),
    service_linked_roles.DeleteServiceLinked: (service_linked_roles.permissions_to_delete, service_linked_roles.delete),
    roles.ReplaceTrust: (roles.permissions_to_replace_trust, roles.replace_trust),
    identity_policies.PutInline: (identity_policies.permissions_to_put, identity_policies.put),
    identity_policies.DeleteInline: (identity_policies.permissions_to_delete, identity_policies.delete),
    identity_policies.Attach: (identity_policies.permissions_to_attach, identity_policies.attach),
    identity_policies.Detach: (identity_policies.permissions_to_detach, identity_policies.detach),
    identity_policies.SetBoundary: (identity_policies.permissions_to_set_boundary, identity_policies.set_boundary),
    identity_policies.RemoveBoundary: (
        identity_policies.permissions_to_remove_boundary,
        identity_policies.remove_boundary,
    ),
    identity_policies.Tag: (identity_policies.permissions_to_tag, identity_policies.tag),
    identity_policies.Untag: (identity_policies.permissions_to_untag, identity_policies.untag),
    instance_profiles.CreateProfile: (instance_profiles.permissions_to_create, instance_profiles.create),
    instance_profiles.DeleteProfile: (instance_profiles.permissions_to_delete, instance_profiles.delete),
    instance_profiles.AddRole: (instance_profiles.permissions_to_add, instance_profiles.add),
    instance_profiles.RemoveRole: (instance_profiles.permissions_to_remove, instance_profiles.remove),
    managed_policies.CreatePolicy: (managed_policies.permissions_to_create, managed_policies.create),
    managed_policies.CreateVersion: (managed_policies.permissions_to_create_version, managed_policies.create_version),
    managed_policies.SetDefaultVersion: (managed_policies.permissions_to_set_default, managed_policies.set_default),
    managed_policies.DeleteVersion: (managed_policies.permissions_to_delete_version, managed_policies.delete_version),
    managed_policies.DeletePolicy: (managed_policies.permissions_to_delete, managed_policies.delete),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The decision to record, and the event that it causes (None: refused)."""

    decision: Decision
    event: object | None


def decide(command: object, caller: Caller, world: World) -> Outcome:
    """Never raises: a refusal is an outcome."""
    return _outcome(command, caller, world, COMMANDS[type(command)][1])


def refuse(command: object, caller: Caller, world: World) -> Outcome:
    """The outcome of a call that may not, as it was found where it came in: nothing was made for it. It is asked again
    here; should it be allowed by now, it is to be tried again."""
    return _outcome(command, caller, world, _try_again)


def _try_again(command: object, caller: Caller, world: World) -> object:
    raise CommandExpired("What the caller may do changed while the call was under way; try again.")


def _outcome(command: object, caller: Caller, world: World, rule: Rule) -> Outcome:
    required_permissions, _ = COMMANDS[type(command)]
    verdicts: tuple[Verdict, ...] = ()
    try:
        verdicts = required_permissions(command, caller, world)
        for verdict in verdicts:
            if not verdict.allowed:
                raise refusal_of(caller, verdict)
        event = rule(command, caller, world)
    except Refusal as refusal:
        return Outcome(refused(refusal, caller, verdicts), None)
    return Outcome(allowed(caller, verdicts, made(event, world)), event)


def may_ask(command: object, caller: Caller, world: World) -> bool:
    """Whether the caller has every permission that the command requires. Never raises: what cannot be asked is refused."""
    required_permissions, _ = COMMANDS[type(command)]
    try:
        return all(verdict.allowed for verdict in required_permissions(command, caller, world))
    except Refusal:
        return False


def allowed(caller: Caller, verdicts: Sequence[Verdict], *also: str, materials: tuple[str, ...] = ()) -> Decision:
    """The decision of a call that was carried out; `also` are resources that it made, `materials` what it used."""
    # Lists, not generators: this is the path of every call.
    resources = [*also, *[verdict.resource for verdict in verdicts]]
    return Decision(
        ALLOWED,
        tuple([verdict.document() for verdict in verdicts]),
        None,
        tuple(dict.fromkeys([each for each in resources if each])),
        inputs(caller, verdicts),
        decided_by(verdicts, None),
        materials,
    )


def refused(refusal: Refusal, caller: Caller | None = None, verdicts: Sequence[Verdict] = ()) -> Decision:
    """The decision of a call that was refused, with the permissions that had been asked until then. `caller` is None
    where the call never came as far as having one."""
    return Decision(
        REFUSED,
        tuple(verdict.document() for verdict in verdicts),
        {"kind": refusal.kind, "message": refusal.message},
        tuple(dict.fromkeys(verdict.resource for verdict in verdicts)),
        {} if caller is None else inputs(caller, verdicts),
        decided_by(verdicts, refusal),
    )


TOO_LONG = "The request is too large to be put on record."
QUOTED = 1024
"""Characters of a message that stay in a record that had to be shortened."""


def shortened(call: Call, decision: Decision) -> tuple[Call, Decision]:
    """What stands for a call and its decision whose record would be longer than a topic takes. What a caller can make long
    is left out; what was allowed is refused, since an allowed call is on record with all that decided it, or is not
    answered."""
    fault = LimitExceeded(TOO_LONG)
    error = decision.error or {"kind": fault.kind, "message": fault.message}
    error = {**error, "message": error["message"][:QUOTED]}
    session = None if call.session is None else {**call.session, "policy": ""}
    kind = decision.kind if decision.error else decided_by((), fault)
    return replace(call, parameters={}, session=session), Decision(REFUSED, (), error, (), {}, kind)


def made(event: object, world: World) -> str:
    """The ARN of the resource that an event concerns first: the key, the identity, or the account's root."""
    key_id = getattr(event, "key", None)
    if key_id is not None:
        key = world.keys.get(key_id)
        return key.arn if key else key_arn(world.region, getattr(event, "account", ""), key_id)
    name, kind = getattr(event, "name", None), CREATES.get(type(event))
    if kind is not None and name is not None:
        return iam_arn(getattr(event, "account", ""), kind, getattr(event, "path", "/"), name)
    return root_arn(getattr(event, "account", "")) if isinstance(event, AccountCreated) else ""


CREATES: dict[type, str] = {
    UserCreated: USER,
    GroupCreated: GROUP,
    RoleCreated: ROLE,
    ManagedPolicyCreated: POLICY,
    InstanceProfileCreated: PROFILE,
}
