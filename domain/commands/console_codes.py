"""A one-time code opens the console once.

It is redeemed on the log, because only there do all workers agree which of two redemptions was the first. The world
remembers redeemed codes for ten minutes, and a code is valid for one, by the writer's clock, which never goes back.

A row in Postgres would have been less work. But somebody who deleted that row could use the code again.
"""

from __future__ import annotations

from dataclasses import dataclass

from domain.authorization.caller import Caller
from domain.authorization.verdict import NO_PERMISSION_NEEDED, Verdict
from domain.commands.rules import CommandRules
from domain.errors import AccessRefused
from domain.log.events import ConsoleCodeRedeemed
from domain.state.world import World

REDEEM = "RedeemConsoleCode"
"""The name of the operation."""
EXPIRED = "The code has expired: it can be used for 60 seconds. Run `keytrail console` again."
USED = "The code was used already, and a code opens the console once. Run `keytrail console` again."


@dataclass(frozen=True, slots=True)
class RedeemConsoleCode:
    """The sender has opened the sealed code. `expires` is microseconds since the epoch."""

    code: str
    expires: int


def no_permission_needed(command: RedeemConsoleCode, caller: Caller, world: World) -> tuple[Verdict, ...]:
    """The caller made the code, and needed no permission for that either: it gives the caller nothing new."""
    return (Verdict(True, f"keytrail:{REDEEM}", caller.principal, NO_PERMISSION_NEEDED),)


def redeem(command: RedeemConsoleCode, caller: Caller, world: World) -> ConsoleCodeRedeemed:
    """Raises AccessRefused."""
    # Not `world.now`, which stands still after a clock was set back: every code would have expired until that time comes again. A
    # code that was redeemed is remembered for as long as it stands still.
    if world.deciding_at >= command.expires:
        raise AccessRefused(EXPIRED)
    if command.code in world.recent_calls.codes:
        raise AccessRefused(USED)
    return ConsoleCodeRedeemed(caller.account, command.code)


RULES: CommandRules = {
    RedeemConsoleCode: (no_permission_needed, redeem),
}
