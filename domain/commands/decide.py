"""From one command to one outcome: first the permissions that it requires, then its own rule.

The writer is this function. State and a command go in; the decision and the event of one record come out. It has no
clock, no random numbers and no key material.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from domain.arn import iam_arn, key_arn, root_arn
from domain.authorization.caller import Caller
from domain.authorization.verdict import Verdict, decided_by, inputs, refusal_of
from domain.commands import (
    accounts,
    aliases,
    change_key,
    console_codes,
    create_key,
    delete_key,
    grants,
    identity_policies,
    import_material,
    instance_profiles,
    login_profiles,
    managed_policies,
    mark_alert,
    mfa_devices,
    oidc_providers,
    password_policies,
    put_key_policy,
    roles,
    rotate_key,
    service_key,
    service_linked_roles,
    sign_out,
    tag_key,
    users_and_groups,
)
from domain.commands.rules import CommandRules, Rule
from domain.errors import CommandExpired, LimitExceeded, Refusal
from domain.identities.identity import GROUP, POLICY, PROFILE, ROLE, USER
from domain.identities.mfa_devices import MFA
from domain.identities.oidc_providers import OIDC
from domain.log.events import AccountCreated
from domain.log.identity_events import (
    GroupCreated,
    InstanceProfileCreated,
    ManagedPolicyCreated,
    MfaDeviceCreated,
    OidcProviderCreated,
    RoleCreated,
    UserCreated,
)
from domain.log.record import ALLOWED, REFUSED, Call, Decision
from domain.state.world import World

COMMANDS: CommandRules = {
    **create_key.RULES,
    **service_key.RULES,
    **put_key_policy.RULES,
    **change_key.RULES,
    **tag_key.RULES,
    **rotate_key.RULES,
    **import_material.RULES,
    **delete_key.RULES,
    **aliases.RULES,
    **grants.RULES,
    **mark_alert.RULES,
    **console_codes.RULES,
    **sign_out.RULES,
    **accounts.RULES,
    **password_policies.RULES,
    **mfa_devices.RULES,
    **login_profiles.RULES,
    **oidc_providers.RULES,
    **users_and_groups.RULES,
    **roles.RULES,
    **service_linked_roles.RULES,
    **identity_policies.RULES,
    **instance_profiles.RULES,
    **managed_policies.RULES,
}
"""Every command, by its class. Each family's file has that family's table."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The decision to record, and the event that it causes (None if the call is refused)."""

    decision: Decision
    event: object | None


def decide(command: object, caller: Caller, world: World) -> Outcome:
    """Never raises: a refusal is an outcome."""
    return _outcome(command, caller, world, COMMANDS[type(command)][1])


def refuse(command: object, caller: Caller, world: World) -> Outcome:
    """The outcome of a call that the API found to lack a permission, so that the API prepared nothing for it. The
    permissions are checked again here. If the caller has them by now, the answer tells the client to try again."""
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
    """Whether the caller has every permission that the command requires. Never raises: if a permission cannot be
    checked, the answer is no."""
    required_permissions, _ = COMMANDS[type(command)]
    try:
        return all(verdict.allowed for verdict in required_permissions(command, caller, world))
    except Refusal:
        return False


def allowed(caller: Caller, verdicts: Sequence[Verdict], *also: str, materials: tuple[str, ...] = ()) -> Decision:
    """The decision of a call that was carried out. `also` are resources that it made, `materials` the material that it used."""
    # Lists, not generators: every call comes through here.
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
    """The decision of a call that was refused, with the permissions that were checked before the refusal. `caller` is None
    if the call was refused before its caller was known."""
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
"""How many characters of a message stay in a shortened record."""


def shortened(call: Call, decision: Decision) -> tuple[Call, Decision]:
    """A call and its decision without the parts that a caller can make long, for a record that would otherwise be too
    long for its topic. An allowed call is refused instead: it may be answered only if its record has all that decided
    it."""
    fault = LimitExceeded(TOO_LONG)
    error = decision.error or {"kind": fault.kind, "message": fault.message}
    error = {**error, "message": error["message"][:QUOTED]}
    session = None if call.session is None else {**call.session, "policy": ""}
    kind = decision.kind if decision.error else decided_by((), fault)
    return replace(call, parameters={}, session=session), Decision(REFUSED, (), error, (), {}, kind)


def made(event: object, world: World) -> str:
    """The ARN of the resource that an event mainly concerns: the key, the identity, or the account's root."""
    key_id = getattr(event, "key", None)
    if key_id is not None:
        key = world.keys.get(key_id)
        return key.arn if key else key_arn(world.region, getattr(event, "account", ""), key_id)
    name, kind = getattr(event, "name", None), CREATES.get(type(event))
    if kind is not None and name is not None:
        return iam_arn(getattr(event, "account", ""), kind, getattr(event, "path", "/"), name)
    return root_arn(getattr(event, "account", "")) if isinstance(event, AccountCreated) else ""


CREATES: dict[type, str] = {
    MfaDeviceCreated: MFA,
    OidcProviderCreated: OIDC,
    UserCreated: USER,
    GroupCreated: GROUP,
    RoleCreated: ROLE,
    ManagedPolicyCreated: POLICY,
    InstanceProfileCreated: PROFILE,
}
