"""A grant's grantee, and what the grantee could do with the key."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from domain.alerts.change import Change
from domain.arn import account_in
from domain.authorization.audience import stranger
from domain.authorization.caller import Caller
from domain.authorization.question import Resource
from domain.errors import NoSuchEntity
from domain.grants.grant import granted
from domain.policy.compile import CompiledPolicy
from domain.policy_analysis.budget import Budget, OutOfSteps, spending
from domain.policy_analysis.possible import implied, meetable, met_by_one
from domain.policy_analysis.who_could import Open, Path, constraints_of, could
from domain.state.callers import caller_for

NOT_USE = frozenset({"DescribeKey", "RetireGrant", "GetPublicKey", "Verify", "VerifyMac"})
"""Operations of grants that use no secret."""
MOST_STEPS = 200_000
"""Ordinary policies take some hundred steps. Nothing is put off here, so other accounts wait for the rest."""


def caller(change: Change, principal: str) -> Caller | None:
    """The grantee as a caller; None if nobody here has that name. A grantee of another account is known only by its name:
    the key's owner may not learn what that account's policies say."""
    account = account_in(principal)
    if change.key is not None and account not in ("", change.key.account):
        return stranger(account, principal)
    try:
        return caller_for(change.world, principal)
    except NoSuchEntity:
        return None


class GivenAccess:
    """What a grant gives its grantee beside what the grantee could do without it. A grant asks for its own constraints alone:
    whoever had to meet other conditions is free of them.

    Operations have many conditions in common, so what follows from one is remembered as long as this object lives."""

    def __init__(self, change: Change, who: Caller) -> None:
        self._who = who
        self._grant = granted(change.event, change.at, change.position)
        self._budget = Budget(MOST_STEPS)

    def new(self, operations: Sequence[str], resource: Resource) -> dict[str, list[str] | None]:
        """The operations that some request can do by the grant alone, each with the keys of the conditions that the grantee
        had to meet until now: none if it could not do the operation at all, and None if that takes too many steps."""
        found: dict[str, list[str] | None] = {}
        with spending(self._budget):
            for each in operations:
                try:
                    freed = self._freed_of(each, resource)
                except OutOfSteps:
                    found[each] = None
                    continue
                if freed is not None:
                    found[each] = freed
        return found

    def back(self, operations: Sequence[str], was: Resource, now: Resource) -> list[str]:
        """The operations that some request could do with the resource as it was, cannot do now, and can do by the grant. What
        takes too many steps is left to the rule on new access, to which it is new."""
        found: list[str] = []
        with spending(self._budget), suppress(OutOfSteps):
            found.extend(each for each in operations if self._is_back(each, was, now))
        return found

    def _freed_of(self, operation: str, resource: Resource) -> list[str] | None:
        """None if the grantee could do all that the grant lets it do."""
        paths = could(self._who, f"kms:{operation}", resource).paths
        for given in self._given(operation, resource):
            if not _covered(given, paths):
                return sorted({one["key"] for path in paths[:1] for one in path.open if not implied(one, given)})
        return None

    def _is_back(self, operation: str, was: Resource, now: Resource) -> bool:
        before, after = (could(self._who, f"kms:{operation}", each).paths for each in (was, now))
        both = [(*path.open, *given) for path in before for given in self._given(operation, was)]
        return any(meetable(each) and not _covered(each, after) for each in both)

    def _given(self, operation: str, resource: Resource) -> list[Open]:
        """The conditions on each way in by the grant: its constraints, and what a role's boundary asks."""
        alone = replace(resource, policy=CompiledPolicy(()), grants={self._grant.grantee: [self._grant]})
        paths = could(self._who, f"kms:{operation}", alone).paths
        return [each.open for each in paths] or [constraints_of(self._grant)]


def _covered(request: Open, paths: Sequence[Path]) -> bool:
    """Whether one of the paths is open to every request that meets these conditions."""
    return met_by_one([path.open for path in paths], request)
