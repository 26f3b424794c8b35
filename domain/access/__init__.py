"""The one question, over key policy, grants and identity policies: may this caller do this, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from domain.arn import root_arn
from domain.errors import AccessRefused
from domain.policy.compile import CompiledPolicy, Decider
from domain.policy.evaluate import DENY, evaluate


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: `principal` is an ARN, `names` every name by which a Principal element can mean the caller."""

    account: str
    principal: str
    names: frozenset[str]


def root_of(account: str) -> Caller:
    """The account's root user: it answers to the root ARN alone, and no identity policy limits it."""
    arn = root_arn(account)
    return Caller(account, arn, frozenset({arn}))


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer and what decided it: a statement, or the rule that applied because no statement did."""

    allowed: bool
    action: str
    resource: str
    by: Decider | str

    def document(self) -> dict[str, Any]:
        by = {"rule": self.by} if isinstance(self.by, str) else self.by.document()
        effect = "allow" if self.allowed else "deny"
        return {"action": self.action, "resource": self.resource, "effect": effect, "by": by}


NO_STATEMENT = "no-statement-allows"
"""Nothing in the key policy allows it: an implicit deny."""
ACCOUNT_ROOT = "account-root"
"""The request needs no key policy, and the account's root may do everything in its own account."""
OTHER_ACCOUNT = "not-across-accounts"
"""The operation cannot be called on a key of another account (policy rule 27)."""


def may_use(caller: Caller, action: str, policy: CompiledPolicy, key_arn: str) -> Verdict:
    """May the caller do `action` (`kms:Name`) with the key that has this policy?"""
    found = evaluate(policy, action, caller.names)
    if found is None:
        return Verdict(False, action, key_arn, NO_STATEMENT)
    effect, by = found
    return Verdict(effect != DENY, action, key_arn, by)


def may_in_account(caller: Caller, action: str, account: str, resource: str) -> Verdict:
    """May the caller do `action` in an account, where no key policy is asked (CreateKey, an alias)?

    Identity policies decide this; until there are other identities than roots, root may, in its own account.
    """
    allowed = caller.account == account
    return Verdict(allowed, action, resource, ACCOUNT_ROOT if allowed else OTHER_ACCOUNT)


def refusal_of(caller: Caller, verdict: Verdict) -> AccessRefused:
    """The refusal that the caller reads: the words are those of AWS's access-denied messages."""
    if isinstance(verdict.by, Decider):
        because = "with an explicit deny in a resource-based policy"
    elif verdict.by == OTHER_ACCOUNT:
        because = "because the operation cannot be called on a resource of another account"
    else:
        because = f"because no resource-based policy allows the {verdict.action} action"
    return AccessRefused(
        f"User: {caller.principal} is not authorized to perform: {verdict.action} on resource: "
        f"{verdict.resource} {because}"
    )
