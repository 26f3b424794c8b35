"""Commands that Keytrail sends to its own writer and that no caller can send, and the event that each becomes.

They are sent on the topic `commands`, as callers' commands are. The writer takes a command only if its MAC is Keytrail's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from domain.log.events import (
    AccessKeyCreated,
    AccessKeyDisabled,
    AccessKeyEnding,
    DecisionsAnchored,
    LogAuthenticated,
    LogKeyRetired,
    LogKeyRotated,
    TreeKeyRotated,
)
from domain.log.levels import LevelRaised
from domain.log.record import Call

OURSELVES = "keytrail"
"""The principal of calls that Keytrail itself makes."""

ANCHOR, AUTHENTICATE, ROTATE_KEY, RETIRE_KEY = "AnchorDecisions", "AuthenticateLog", "RotateLogKey", "RetireLogKey"
ROTATE_TREE_KEY, RAISE_LEVEL = "RotateTreeKey", "RaiseLevel"
CREATE_ROOT_KEY, END_ROOT_KEY, DISABLE_ROOT_KEY = "CreateRootAccessKey", "EndRootAccessKey", "DisableRootAccessKey"

_EVENTS: dict[str, Callable[[Mapping[str, Any]], object]] = {
    ANCHOR: lambda parameters: DecisionsAnchored(parameters["worker"], parameters["lanes"]),
    AUTHENTICATE: lambda parameters: LogAuthenticated(parameters["before"]),
    ROTATE_KEY: lambda parameters: LogKeyRotated(parameters["authentication_key"]),
    RETIRE_KEY: lambda parameters: LogKeyRetired(parameters["authentication_key"], parameters["before"]),
    ROTATE_TREE_KEY: lambda parameters: TreeKeyRotated(parameters["verifier_key"], parameters["former"]),
    RAISE_LEVEL: lambda parameters: LevelRaised(parameters["level"], parameters["version"]),
    CREATE_ROOT_KEY: lambda parameters: AccessKeyCreated(parameters["account"], parameters["access_key"]),
    END_ROOT_KEY: lambda parameters: AccessKeyEnding(
        parameters["account"], parameters["access_key"], parameters["due"]
    ),
    DISABLE_ROOT_KEY: lambda parameters: AccessKeyDisabled(parameters["account"], parameters["access_key"]),
}


def own_call(call_id: str, operation: str, parameters: Mapping[str, Any]) -> Call:
    """A call that Keytrail itself makes. `call_id` is a new id."""
    return Call(call_id, "", OURSELVES, "", "", OURSELVES, operation, parameters)


def own_event(call: Call) -> object | None:
    """The event that a command of Keytrail's own causes; None for a caller's command. Raises KeyError if a parameter
    is missing."""
    if call.access_key or call.principal != OURSELVES:
        return None
    make_event = _EVENTS.get(call.operation)
    return None if make_event is None else make_event(call.parameters)
