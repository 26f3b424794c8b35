"""A grant's grantee, and what the grantee could do with the key."""

from __future__ import annotations

from collections.abc import Sequence

from domain.alerts.change import Change
from domain.arn import parse_arn
from domain.authorization.audience import stranger
from domain.authorization.caller import Caller
from domain.authorization.question import Resource
from domain.errors import NoSuchEntity
from domain.policy_analysis.who_could import could
from domain.state.callers import caller_for

NOT_USE = frozenset({"DescribeKey", "RetireGrant", "GetPublicKey", "Verify", "VerifyMac"})
"""Operations of grants that use no secret."""


def account_of(principal: str) -> str:
    """The account of an ARN, "" for a service."""
    arn = parse_arn(principal)
    return "" if arn is None else arn.account


def caller(change: Change, principal: str) -> Caller | None:
    """The grantee as a caller; None if nobody here has that name. A grantee of another account is known only by its name:
    the key's owner may not learn what that account's policies say."""
    account = account_of(principal)
    if change.key is not None and account not in ("", change.key.account):
        return stranger(account, principal)
    try:
        return caller_for(change.world, principal)
    except NoSuchEntity:
        return None


def cannot(who: Caller, operations: Sequence[str], resource: Resource) -> list[str]:
    """The operations that the caller cannot do under any conditions."""
    return [each for each in operations if not could(who, f"kms:{each}", resource).paths]
