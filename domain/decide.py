"""One command to one outcome: who may, then the command's own rules; the table of every command there is.

The writer is this function, state and command in, one record's decision and event out. It has no clock, no chance and
no key material.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from domain.access import Caller, Verdict, refusal_of
from domain.aliases import commands as aliases
from domain.arn import key_arn, root_arn
from domain.errors import Refusal
from domain.identities import commands as identities
from domain.keys import change_key, create_key, put_key_policy
from domain.trail.record import ALLOWED, REFUSED, Decision
from domain.world import World

Asks = Callable[[Any, Caller, World], tuple[Verdict, ...]]
Decide = Callable[[Any, Caller, World], object]

COMMANDS: dict[type, tuple[Asks, Decide]] = {
    create_key.CreateKey: (create_key.asks, create_key.decide),
    put_key_policy.PutKeyPolicy: (put_key_policy.asks, put_key_policy.decide),
    change_key.EnableKey: (change_key.asks_to_enable, change_key.enable),
    change_key.DisableKey: (change_key.asks_to_disable, change_key.disable),
    change_key.UpdateKeyDescription: (change_key.asks_to_describe, change_key.describe),
    aliases.CreateAlias: (aliases.asks_to_create, aliases.create),
    aliases.UpdateAlias: (aliases.asks_to_update, aliases.update),
    aliases.DeleteAlias: (aliases.asks_to_delete, aliases.delete),
    identities.CreateAccount: (identities.asks_to_create, identities.create),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The decision to record, and the event that it causes (None: refused)."""

    decision: Decision
    event: object | None


def decide(command: object, caller: Caller, world: World) -> Outcome:
    """Never raises: a refusal is an outcome."""
    asks, rule = COMMANDS[type(command)]
    verdicts: tuple[Verdict, ...] = ()
    try:
        verdicts = asks(command, caller, world)
        for verdict in verdicts:
            if not verdict.allowed:
                raise refusal_of(caller, verdict)
        event = rule(command, caller, world)
    except Refusal as refusal:
        return Outcome(refused(refusal, verdicts), None)
    resources = (made(event, world), *(verdict.resource for verdict in verdicts))
    return Outcome(Decision(ALLOWED, _reasons(verdicts), None, tuple(dict.fromkeys(filter(None, resources)))), event)


def refused(refusal: Refusal, verdicts: tuple[Verdict, ...] = ()) -> Decision:
    """The decision of a call that was refused, with the permissions that had been asked until then."""
    return Decision(
        REFUSED,
        _reasons(verdicts),
        {"kind": refusal.kind, "message": refusal.message},
        tuple(dict.fromkeys(verdict.resource for verdict in verdicts)),
    )


def _reasons(verdicts: tuple[Verdict, ...]) -> tuple[dict[str, Any], ...]:
    return tuple(verdict.document() for verdict in verdicts)


def made(event: object, world: World) -> str:
    """The ARN of the resource that an event concerns first: the key, or the account's root."""
    key_id = getattr(event, "key", None)
    if key_id is None:
        return root_arn(getattr(event, "account", "")) if hasattr(event, "account") else ""
    key = world.keys.get(key_id)
    return key.arn if key else key_arn(world.region, getattr(event, "account", ""), key_id)
