"""One command to one outcome: who may, then the command's own rules; the table of every command there is.

The writer is this function, state and command in, one record's decision and event out. It has no clock, no chance and
no key material.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from domain.access.caller import Caller
from domain.access.verdict import Verdict, decided_by, inputs, refusal_of
from domain.alerts import marking
from domain.aliases import commands as aliases
from domain.arn import iam_arn, key_arn, root_arn
from domain.errors import CommandExpired, LimitExceeded, Refusal
from domain.grants import commands as grants
from domain.identities import accounts, attached, instance_profiles, managed, people, roles, service_linked
from domain.identities.identity import GROUP, POLICY, PROFILE, ROLE, USER
from domain.keys import (
    change_key,
    create_key,
    delete_key,
    import_material,
    put_key_policy,
    rotate_key,
    service_key,
    tag_key,
)
from domain.trail.events import AccountCreated
from domain.trail.identity_events import (
    GroupCreated,
    InstanceProfileCreated,
    ManagedPolicyCreated,
    RoleCreated,
    UserCreated,
)
from domain.trail.record import ALLOWED, REFUSED, Call, Decision
from domain.world import World

Asks = Callable[[Any, Caller, World], tuple[Verdict, ...]]
Decide = Callable[[Any, Caller, World], object]

COMMANDS: dict[type, tuple[Asks, Decide]] = {
    create_key.CreateKey: (create_key.asks, create_key.decide),
    service_key.CreateServiceKey: (service_key.asks, service_key.decide),
    put_key_policy.PutKeyPolicy: (put_key_policy.asks, put_key_policy.decide),
    change_key.EnableKey: (change_key.asks_to_enable, change_key.enable),
    change_key.DisableKey: (change_key.asks_to_disable, change_key.disable),
    change_key.UpdateKeyDescription: (change_key.asks_to_describe, change_key.describe),
    tag_key.TagResource: (tag_key.asks_to_tag, tag_key.tag),
    tag_key.UntagResource: (tag_key.asks_to_untag, tag_key.untag),
    rotate_key.EnableKeyRotation: (rotate_key.asks_to_enable, rotate_key.enable),
    rotate_key.DisableKeyRotation: (rotate_key.asks_to_disable, rotate_key.disable),
    rotate_key.RotateKeyOnDemand: (rotate_key.asks_on_demand, rotate_key.on_demand),
    rotate_key.RotateKey: (rotate_key.asks_when_due, rotate_key.rotate),
    import_material.ImportKeyMaterial: (import_material.asks_to_import, import_material.take_in),
    import_material.DeleteImportedKeyMaterial: (import_material.asks_to_delete, import_material.delete),
    import_material.ExpireMaterial: (import_material.asks_when_due, import_material.expire),
    delete_key.ScheduleKeyDeletion: (delete_key.asks_to_schedule, delete_key.schedule),
    delete_key.CancelKeyDeletion: (delete_key.asks_to_cancel, delete_key.cancel),
    delete_key.DeleteKey: (delete_key.asks_when_due, delete_key.delete),
    aliases.CreateAlias: (aliases.asks_to_create, aliases.create),
    aliases.UpdateAlias: (aliases.asks_to_update, aliases.update),
    aliases.DeleteAlias: (aliases.asks_to_delete, aliases.delete),
    grants.CreateGrant: (grants.asks_to_create, grants.create),
    grants.RetireGrant: (grants.asks_to_retire, grants.retire),
    grants.RevokeGrant: (grants.asks_to_revoke, grants.revoke),
    marking.MarkAlert: (marking.asks, marking.mark),
    accounts.CreateAccount: (accounts.asks_to_create, accounts.create),
    accounts.SetAccountAlias: (accounts.asks_to_set_alias, accounts.set_alias),
    people.CreateUser: (people.asks_to_create_user, people.create_user),
    people.CreateGroup: (people.asks_to_create_group, people.create_group),
    people.MoveIdentity: (people.asks_to_move, people.move),
    people.DeleteIdentity: (people.asks_to_delete, people.delete),
    people.AddMember: (people.asks_to_add, people.add),
    people.RemoveMember: (people.asks_to_remove, people.remove),
    people.CreateAccessKey: (people.asks_to_create_key, people.create_key),
    people.UpdateAccessKey: (people.asks_to_update_key, people.update_key),
    people.DeleteAccessKey: (people.asks_to_delete_key, people.delete_key),
    roles.CreateRole: (roles.asks_to_create, roles.create),
    roles.DescribeRole: (roles.asks_to_describe, roles.describe),
    service_linked.CreateServiceLinked: (service_linked.asks_to_create, service_linked.create),
    service_linked.DeleteServiceLinked: (service_linked.asks_to_delete, service_linked.delete),
    roles.ReplaceTrust: (roles.asks_to_replace_trust, roles.replace_trust),
    attached.PutInline: (attached.asks_to_put, attached.put),
    attached.DeleteInline: (attached.asks_to_delete, attached.delete),
    attached.Attach: (attached.asks_to_attach, attached.attach),
    attached.Detach: (attached.asks_to_detach, attached.detach),
    attached.SetBoundary: (attached.asks_to_set_boundary, attached.set_boundary),
    attached.RemoveBoundary: (attached.asks_to_remove_boundary, attached.remove_boundary),
    attached.Tag: (attached.asks_to_tag, attached.tag),
    attached.Untag: (attached.asks_to_untag, attached.untag),
    instance_profiles.CreateProfile: (instance_profiles.asks_to_create, instance_profiles.create),
    instance_profiles.DeleteProfile: (instance_profiles.asks_to_delete, instance_profiles.delete),
    instance_profiles.AddRole: (instance_profiles.asks_to_add, instance_profiles.add),
    instance_profiles.RemoveRole: (instance_profiles.asks_to_remove, instance_profiles.remove),
    managed.CreatePolicy: (managed.asks_to_create, managed.create),
    managed.CreateVersion: (managed.asks_to_create_version, managed.create_version),
    managed.SetDefaultVersion: (managed.asks_to_set_default, managed.set_default),
    managed.DeleteVersion: (managed.asks_to_delete_version, managed.delete_version),
    managed.DeletePolicy: (managed.asks_to_delete, managed.delete),
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


def _outcome(command: object, caller: Caller, world: World, rule: Decide) -> Outcome:
    asks, _ = COMMANDS[type(command)]
    verdicts: tuple[Verdict, ...] = ()
    try:
        verdicts = asks(command, caller, world)
        for verdict in verdicts:
            if not verdict.allowed:
                raise refusal_of(caller, verdict)
        event = rule(command, caller, world)
    except Refusal as refusal:
        return Outcome(refused(refusal, caller, verdicts), None)
    return Outcome(allowed(caller, verdicts, made(event, world)), event)


def may_ask(command: object, caller: Caller, world: World) -> bool:
    """Whether every permission that the command asks is given. Never raises: what cannot be asked is refused."""
    asks, _ = COMMANDS[type(command)]
    try:
        return all(verdict.allowed for verdict in asks(command, caller, world))
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
