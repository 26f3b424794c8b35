"""Commands that Keytrail sends to its own writer and that no caller can make, and the event that each becomes.

They travel like callers' commands, and only an authentic one counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from domain.log.events import DecisionsAnchored, LogAuthenticated, LogKeyRetired, LogKeyRotated
from domain.log.record import Call

OURSELVES = "keytrail"
"""The principal of calls that nobody outside made."""

ANCHOR, AUTHENTICATE, ROTATE_KEY, RETIRE_KEY = "AnchorDecisions", "AuthenticateLog", "RotateLogKey", "RetireLogKey"

_EVENTS: dict[str, Callable[[Mapping[str, Any]], object]] = {
    ANCHOR: lambda asked: DecisionsAnchored(asked["worker"], asked["lanes"]),
    AUTHENTICATE: lambda asked: LogAuthenticated(asked["before"]),
    ROTATE_KEY: lambda asked: LogKeyRotated(asked["authentication_key"]),
    RETIRE_KEY: lambda asked: LogKeyRetired(asked["authentication_key"], asked["before"]),
}


def own_call(identity: str, operation: str, parameters: Mapping[str, Any]) -> Call:
    """A call of Keytrail's own; `identity` is a new id."""
    return Call(identity, "", OURSELVES, "", "", OURSELVES, operation, parameters)


def own_event(call: Call) -> object | None:
    """The event that a command of Keytrail's own causes; None for a caller's command. Raises KeyError."""
    if call.access_key or call.principal != OURSELVES:
        return None
    made = _EVENTS.get(call.operation)
    return None if made is None else made(call.parameters)
