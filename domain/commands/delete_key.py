"""ScheduleKeyDeletion, CancelKeyDeletion, and the deletion itself when it is due.

Source: KMS API reference of the two; developer guide, deleting-keys.
"""

from __future__ import annotations

from dataclasses import dataclass

from domain.authorization.caller import Caller
from domain.authorization.verdict import DUE, Verdict
from domain.commands.change_key import on_own_key
from domain.commands.rules import CommandRules
from domain.durations import DAY_MICROS
from domain.errors import InvalidKeyState, InvalidRequest
from domain.keys.key import stated
from domain.keys.states import require_state
from domain.log.codec import rfc3339
from domain.log.events import DeletionCancelled, DeletionScheduled, KeyDeleted
from domain.state.world import World

SHORTEST, LONGEST = 7, 30


@dataclass(frozen=True, slots=True)
class ScheduleKeyDeletion:
    key: str
    days: int = LONGEST


@dataclass(frozen=True, slots=True)
class CancelKeyDeletion:
    key: str


@dataclass(frozen=True, slots=True)
class DeleteKey:
    """A scheduled deletion is due. `key` is an id."""

    key: str


def permissions_to_schedule(command: ScheduleKeyDeletion, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_own_key("kms:ScheduleKeyDeletion", command.key, caller, world)


def permissions_to_cancel(command: CancelKeyDeletion, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return on_own_key("kms:CancelKeyDeletion", command.key, caller, world)


def permissions_when_due(command: DeleteKey, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return (Verdict(True, "kms:DeleteKey", world.keys[command.key].arn, DUE),)


def schedule(command: ScheduleKeyDeletion, caller: Caller, world: World) -> DeletionScheduled:
    """Raises InvalidKeyState, InvalidRequest."""
    key = world.key(command.key, caller.account)
    require_state("ScheduleKeyDeletion", key.arn, key.state)
    if not SHORTEST <= command.days <= LONGEST:
        raise InvalidRequest(f"PendingWindowInDays takes {SHORTEST} to {LONGEST} days.")
    return DeletionScheduled(key.id, command.days, rfc3339(world.now + command.days * DAY_MICROS))


def cancel(command: CancelKeyDeletion, caller: Caller, world: World) -> DeletionCancelled:
    """Raises InvalidKeyState if the key is not pending deletion."""
    key = world.key(command.key, caller.account)
    require_state("CancelKeyDeletion", key.arn, key.state)
    return stated(DeletionCancelled(key.id, ""), key)


def delete(command: DeleteKey, caller: Caller, world: World) -> KeyDeleted:
    """Raises InvalidKeyState if nothing is due."""
    key = world.keys[command.key]
    if not key.deletion or world.now < key.deletion:
        raise InvalidKeyState(f"{key.arn} is not due for deletion.")
    return KeyDeleted(
        key.id,
        key.account,
        list(world.aliases_of(key.id)),
        world.grant_index.named_when_deleted(key.id),
        [each.stored for each in key.materials if each.stored],
    )


RULES: CommandRules = {
    ScheduleKeyDeletion: (permissions_to_schedule, schedule),
    CancelKeyDeletion: (permissions_to_cancel, cancel),
    DeleteKey: (permissions_when_due, delete),
}
