"""A question for the evaluator: an action on a resource, with everything that a condition could read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from domain.grants.grant import Grant
from domain.policy.compile import CompiledPolicy
from domain.policy.variables import Context


@dataclass(frozen=True, slots=True)
class Resource:
    """A key (with its policy and the grants on it), a role (with its trust policy), or a resource without a policy of
    its own: an alias, a user, an account. `context` is what conditions can read of it."""

    arn: str
    account: str
    policy: CompiledPolicy | None = None
    context: Context = field(default_factory=dict)
    grants: Mapping[str, Sequence[Grant]] = field(default_factory=dict)
    """By the name that the grantee answers to."""

    def grants_in_order(self) -> list[Grant]:
        """The grants in the order in which they were made. Another order could reveal which principal another account's
        name meant."""
        return sorted((grant for held in self.grants.values() for grant in held), key=made)


def made(grant: Grant) -> tuple[int, str]:
    """The key that grants are sorted by."""
    return grant.position, grant.id


def in_account(arn: str, account: str, context: Context | None = None) -> Resource:
    """A resource without a policy of its own: only identity policies decide."""
    return Resource(arn, account, context={"aws:resourceaccount": (account,)} | dict(context or {}))


@dataclass(slots=True)  # made for every call: frozen would cost a microsecond
class Question:
    """`context` is complete: it has the keys of the caller, the request and the resource. `encryption_context` is
    as the request wrote it: grant constraints compare its names with their case, while `context` has them in lower
    case."""

    action: str
    resource: Resource
    context: Context
    encryption_context: Mapping[str, str] = field(default_factory=dict)
