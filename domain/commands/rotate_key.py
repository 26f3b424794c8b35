"""EnableKeyRotation, DisableKeyRotation, RotateKeyOnDemand, and the automatic rotation when it is due.

Source: KMS API reference of the three; developer guide, rotate-keys. A rotated key keeps every material that it had:
the current one encrypts, all of them decrypt.
"""

from __future__ import annotations

from dataclasses import dataclass

from domain.authorization.caller import Caller
from domain.authorization.verdict import DUE, Verdict
from domain.commands.change_key import on_own_key, require_origin
from domain.commands.rules import CommandRules
from domain.durations import DAY_MICROS, MINUTE_MICROS, YEAR_DAYS
from domain.errors import InvalidKeyState, InvalidRequest, LimitExceeded, RotationConflict, UnsupportedOperation
from domain.keys.key import AUTOMATIC, ON_DEMAND, Key
from domain.keys.origins import AWS_KMS, EXTERNAL
from domain.keys.states import State, require_state
from domain.log.codec import rfc3339
from domain.log.events import KeyRotated, RotationDisabled, RotationEnabled
from domain.state.world import World

SHORTEST, LONGEST = 90, 2560
CONFLICT = 20 * MINUTE_MICROS
"""An automatic rotation that begins within 20 minutes rules out one on demand (API reference, ConflictException)."""


@dataclass(frozen=True, slots=True)
class EnableKeyRotation:
    """`period_days` None: a year, whatever the period was before (API reference, RotationPeriodInDays)."""

    key: str
    period_days: int | None = None


@dataclass(frozen=True, slots=True)
class DisableKeyRotation:
    key: str


@dataclass(frozen=True, slots=True)
class RotateKeyOnDemand:
    """`material` and `fingerprint` belong to new material. A key with imported material uses the material that was
    imported for the rotation."""

    key: str
    material: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class RotateKey:
    """An automatic rotation is due. `key` is an id."""

    key: str
    material: str
    fingerprint: str


def require_rotatable(key: Key, *origins: str) -> None:
    """Raises UnsupportedOperation for a key whose material cannot be rotated."""
    if not key.spec.symmetric:
        raise UnsupportedOperation(
            f"{key.arn} key spec is {key.spec.name} which is not valid for this operation: only symmetric encryption "
            "keys are rotated."
        )
    require_origin(key, *origins)


def permissions_to_enable(command: EnableKeyRotation, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_own_key("kms:EnableKeyRotation", command.key, caller, world)


def permissions_to_disable(command: DisableKeyRotation, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_own_key("kms:DisableKeyRotation", command.key, caller, world)


def permissions_on_demand(command: RotateKeyOnDemand, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_own_key("kms:RotateKeyOnDemand", command.key, caller, world)


def permissions_when_due(command: RotateKey, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return (Verdict(True, "kms:RotateKey", world.keys[command.key].arn, DUE),)


def enable(command: EnableKeyRotation, caller: Caller, world: World) -> RotationEnabled:
    """A new period counts from the start of the present one. A key that is then overdue is rotated at once.

    Raises UnsupportedOperation, KeyIsDisabled, InvalidKeyState, InvalidRequest.

    """
    key = world.key(command.key, caller.account)
    require_state("EnableKeyRotation", key.arn, key.state)
    require_rotatable(key, AWS_KMS)
    held = key.schedule
    days = YEAR_DAYS if command.period_days is None else command.period_days
    if not SHORTEST <= days <= LONGEST:
        raise InvalidRequest(f"RotationPeriodInDays takes {SHORTEST} to {LONGEST} days.")
    since = world.now if held is None else held.next - held.period_days * DAY_MICROS
    return RotationEnabled(key.id, days, rfc3339(max(world.now, since + days * DAY_MICROS)))


def disable(command: DisableKeyRotation, caller: Caller, world: World) -> RotationDisabled:
    """Raises UnsupportedOperation, KeyIsDisabled, InvalidKeyState."""
    key = world.key(command.key, caller.account)
    require_state("DisableKeyRotation", key.arn, key.state)
    require_rotatable(key, AWS_KMS)
    return RotationDisabled(key.id)


def on_demand(command: RotateKeyOnDemand, caller: Caller, world: World) -> KeyRotated:
    """Raises UnsupportedOperation, KeyIsDisabled, InvalidKeyState (no material waits), LimitExceeded, RotationConflict."""
    key = world.key(command.key, caller.account)
    require_state("RotateKeyOnDemand", key.arn, key.state_at(world.now))
    require_rotatable(key, AWS_KMS, EXTERNAL)
    limit = world.limits.on_demand_rotations
    if key.on_demand_rotations >= limit:
        raise LimitExceeded(
            "The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be "
            f"performed for this key: {key.arn}"
        )
    if key.schedule is not None and key.schedule.next - world.now <= CONFLICT:
        raise RotationConflict(f"{key.arn} is about to be rotated automatically.")
    if key.origin == AWS_KMS:
        return KeyRotated(key.id, command.material, command.material, command.fingerprint, ON_DEMAND, "")
    waiting = key.pending
    if waiting is None or waiting.has_expired(world.now):
        raise InvalidKeyState(f"No available key material pending rotation for the key: {key.arn}.")
    return KeyRotated(key.id, waiting.id, waiting.stored, waiting.fingerprint, ON_DEMAND, "")


def is_due(key: Key, now: int) -> bool:
    """Whether the key's automatic rotation is due: never while it is disabled or pending deletion (API reference,
    GetKeyRotationStatus)."""
    return key.schedule is not None and key.state is State.ENABLED and key.schedule.next <= now


def rotate(command: RotateKey, caller: Caller, world: World) -> KeyRotated:
    """Raises InvalidKeyState if nothing is due."""
    key = world.keys[command.key]
    if key.schedule is None or not is_due(key, world.now):
        raise InvalidKeyState(f"{key.arn} is not due for rotation.")
    period = key.schedule.period_days * DAY_MICROS
    # A rotation on time continues the schedule; after a pause the schedule begins again.
    after = key.schedule.next + period if key.schedule.next + period > world.now else world.now + period
    return KeyRotated(key.id, command.material, command.material, command.fingerprint, AUTOMATIC, rfc3339(after))


RULES: CommandRules = {
    EnableKeyRotation: (permissions_to_enable, enable),
    DisableKeyRotation: (permissions_to_disable, disable),
    RotateKeyOnDemand: (permissions_on_demand, on_demand),
    RotateKey: (permissions_when_due, rotate),
}
