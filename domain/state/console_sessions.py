"""The console session: temporary credentials of the caller's own principal, for a browser.

It may call whatever the credentials may that it came from, IAM included. It ends when its user signs out, and with the access key
that it came from and that key's owner (`callers.caller_of`). It never becomes a longer one.

Source: IAM user guide, id_credentials_sts-comparison (which credentials sign in to the console, how long those of the
root user last) and id_roles_use_switch-role-console.
"""

from __future__ import annotations

from dataclasses import replace

from domain.authorization.caller import Caller
from domain.durations import HOUR_SECONDS, SECOND_MICROS
from domain.errors import AccessRefused
from domain.identities.identity import PREFIXES, ROLE, Identity
from domain.log.catalogue import LEVELS
from domain.log.sign_in_events import ConsoleSignedOut
from domain.state.callers import Session, SignedIn

LOGIN = "ConsoleLogin"
"""The name of the operation that signs a user in with a password (CloudTrail user guide,
cloudtrail-event-reference-aws-console-sign-in-events)."""
SHORTEST, LONGEST = 900, 12 * HOUR_SECONDS
"""Seconds."""
LONGEST_OF_ROOT = HOUR_SECONDS
STARTING = 60
CODE_LASTS = 60 * SECOND_MICROS
"""How long a one-time code can be redeemed."""

NOT_SIGNED_IN = (
    "Only a console session is signed out. An access key ends by UpdateAccessKey or DeleteAccessKey, and the sessions of a role "
    "by a policy that denies those issued before now (aws:TokenIssueTime)."
)
SWITCHED = (
    "This is the session of a role that the console switched to. It ends when the session that switched is signed out."
)


def require_may_sign_in(session: Session | None) -> None:
    """Raises AccessRefused for temporary credentials that never become a console session."""
    if session is None:
        return
    if session.console is not None:
        raise AccessRefused(
            "A console session cannot be exchanged for another one. To go on after it ends, sign in again with the "
            "credentials that it came from."
        )
    if not session.of.startswith(PREFIXES[ROLE]) and not session.mfa:
        raise AccessRefused(
            "Credentials of GetSessionToken open the console only if they were asked for with an MFA code: without one they "
            "may not call IAM, and a console session may. Sign in with the access key itself, or with a role's credentials."
        )


def console_session(
    caller: Caller, access_key: str, session: Session | None, at: int, seconds: int, seen: int
) -> Session:
    """The session of a caller whose credential is `access_key` with `session`, from `at` on. It lasts no longer than the
    session that it came from. `seen` is the position at which the caller proved who it is. Raises AccessRefused."""
    require_may_sign_in(session)
    if session is not None:
        # It keeps the time at which the role's session was issued: a policy that denies sessions issued before a time
        # (aws:TokenIssueTime) revokes this one with the other.
        # A session token of a user who showed an MFA code ends with that user's device.
        ends, came_from = min(session.expires, at + seconds * SECOND_MICROS), caller.unique if session.mfa else ""
        return replace(session, expires=ends, console=SignedIn(came_from, caller.principal, seen))
    lasts = min(seconds, LONGEST_OF_ROOT) if caller.is_root else seconds
    return _own_session(caller, at, lasts, SignedIn(access_key, caller.principal, seen))


def password_session(user: Caller, at: int, seconds: int, seen: int, *, with_code: bool) -> Session:
    """The session of a user who signed in with a password, and where `with_code` with a code of an MFA device, at the
    position `seen`."""
    session = _own_session(user, at, seconds, SignedIn(user.unique, user.principal, seen))
    return replace(session, mfa=at) if with_code else session


def starting_session(user: Identity, at: int, seen: int) -> Session:
    """The session in which the records of a sign-in stand, from the right password on. Nobody is ever given it."""
    came_from = SignedIn(user.id, user.arn, seen)
    lasts = STARTING * SECOND_MICROS
    return Session(user.id, user.arn, user.account, "", at, at + lasts, console=came_from)


def passed_on(own: Session, access_key: str, level: int) -> SignedIn | None:
    """What the session of a role depends on that `own`, with its access key, switches to. At a level without sign-outs, nothing
    says which console session that was: an earlier version would not read it."""
    console = own.console
    if console is None or console.session or level < LEVELS[ConsoleSignedOut]:
        return console
    return replace(console, session=access_key)


def require_may_sign_out(session: Session | None) -> None:
    """Raises AccessRefused for a credential that is no console session: nobody signed in with it."""
    if session is None or session.console is None:
        raise AccessRefused(NOT_SIGNED_IN)
    if session.console.session:
        raise AccessRefused(SWITCHED)


def _own_session(caller: Caller, at: int, seconds: int, came_from: SignedIn) -> Session:
    return Session(
        of=caller.unique,
        arn=caller.principal,
        account=caller.account,
        name="",
        issued=at,
        expires=at + seconds * SECOND_MICROS,
        console=came_from,
    )
