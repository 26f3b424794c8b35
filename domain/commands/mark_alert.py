"""The life of an alert: it is open, then somebody acknowledges and resolves it. Each step is a change on the log like
any other."""

from __future__ import annotations

import re
from dataclasses import dataclass

from domain.arn import audit_arn
from domain.authorization.caller import Caller
from domain.authorization.evaluate import may
from domain.authorization.question import in_account
from domain.authorization.verdict import Verdict
from domain.commands.rules import CommandRules
from domain.errors import InvalidRequest
from domain.log.events import AlertMarked
from domain.state.world import World

MARK = "UpdateAlert"
"""The name of the operation; with `keytrail:` before it, of the permission."""
OPEN, ACKNOWLEDGED, RESOLVED = STATES = ("open", "acknowledged", "resolved")
LONGEST_NOTE = 1024
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class MarkAlert:
    """The sender has checked that the alert exists and whose it is."""

    account: str
    alert: str
    state: str
    note: str


def required_permissions(command: MarkAlert, caller: Caller, world: World) -> tuple[Verdict, ...]:
    return (may(caller, f"keytrail:{MARK}", in_account(audit_arn(world.region, caller.account), caller.account)),)


def mark(command: MarkAlert, caller: Caller, world: World) -> AlertMarked:
    """Raises InvalidRequest."""
    if not _ID.fullmatch(command.alert):
        raise InvalidRequest("An alert's id has 32 hexadecimal digits.")
    if command.state not in STATES:
        raise InvalidRequest(f"An alert's state is one of {', '.join(STATES)}.")
    if len(command.note) > LONGEST_NOTE:
        raise InvalidRequest(f"A note has at most {LONGEST_NOTE} characters.")
    return AlertMarked(command.account, command.alert, command.state, command.note)


RULES: CommandRules = {
    MarkAlert: (required_permissions, mark),
}
