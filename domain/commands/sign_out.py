"""Signing out of the console ends the session for everybody who has its credential, and for the roles that it switched to.

It stands on the log, because only there do all workers and the writer agree that the session is over. The world remembers it for
longer than any console session lasts.

AWS's own way to revoke sessions is a policy that denies those issued before a time (`aws:TokenIssueTime`): it ends all sessions
of a role up to then, and no user's (IAM user guide, id_roles_use_revoke-sessions). With a row in Postgres, whoever deletes it
brings the session back.
"""

from __future__ import annotations

from dataclasses import dataclass

from domain.authorization.caller import Caller
from domain.authorization.verdict import NO_PERMISSION_NEEDED, Verdict
from domain.commands.rules import CommandRules
from domain.errors import LimitExceeded
from domain.log.sign_in_events import ConsoleSignedOut
from domain.state.world import World

LOGOUT = "ConsoleLogout"
"""The name of the operation."""
MOST = 10_000
"""The most sessions of one user, or of one role, that are remembered as ended. Whoever signs in and out without end would fill
the memory of every worker: neither needs a permission."""
TOO_MANY = (
    f"{MOST} console sessions of this user or role were signed out within a day, and no more are remembered. This one ends on "
    "time, and with the access key or password that it came from."
)


@dataclass(frozen=True, slots=True)
class SignOut:
    """The sender has found that the caller's own credential is this console session. `owner`: `Session.of`."""

    access_key: str
    owner: str


def no_permission_needed(command: SignOut, caller: Caller, world: World) -> tuple[Verdict, ...]:
    """Nobody can end a session but whoever has its credential, and they give up what they have."""
    return (Verdict(True, f"keytrail:{LOGOUT}", caller.principal, NO_PERMISSION_NEEDED),)


def sign_out(command: SignOut, caller: Caller, world: World) -> ConsoleSignedOut:
    """Raises LimitExceeded."""
    if world.sign_outs.remembered(command.owner, world.now) >= MOST:
        raise LimitExceeded(TOO_MANY)
    return ConsoleSignedOut(caller.account, command.access_key, command.owner)


RULES: CommandRules = {
    SignOut: (no_permission_needed, sign_out),
}
