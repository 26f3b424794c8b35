"""Keys of an account that policies can tell apart by their Resource elements."""

from __future__ import annotations

from collections.abc import Sequence

from domain.policy.compile import has_variables
from domain.policy.parse import Policy
from domain.policy_analysis import words
from domain.policy_analysis.values import parts_of


def key_arns(policies: Sequence[Policy], account: str) -> list[str]:
    """One key's ARN for every way to match the policies' patterns. Raises TooMany."""
    groups = [
        [pattern for text in texts if (pattern := words.arn(parts_of(text, policy.version))) is not None]
        for policy in policies
        for statement in policy.statements
        if not has_variables(statement, policy.version)
        for texts in (statement.resource, statement.not_resource)
        if texts and "*" not in texts
    ]
    within = (
        *words.literal("arn:aws:kms:"),
        words.Element(frozenset(":"), other=True),
        words.Element(frozenset(":"), other=True, many=True),
        *words.literal(f":{account}:key/"),
        words.ONE,
        words.MANY,
    )
    return list(words.samples(groups, within))
