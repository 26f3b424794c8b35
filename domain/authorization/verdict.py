"""The answer to one question and what decided it, in the record's form and in AWS's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from domain import errors
from domain.authorization.caller import Caller
from domain.authorization.question import Resource
from domain.errors import AccessRefused, Refusal
from domain.grants.grant import Grant
from domain.policy.compile import BOUNDARY, IDENTITY_POLICY, KEY_POLICY, SESSION_POLICY, TRUST_POLICY, StatementSource
from domain.policy.variables import Context

NO_RESOURCE_POLICY = "no-resource-policy-allows"
"""No statement of the key policy (or trust policy) and no grant allows it."""
NO_IDENTITY_POLICY = "no-identity-policy-allows"
NO_BOUNDARY = "no-boundary-allows"
NO_SESSION_POLICY = "no-session-policy-allows"
ACCOUNT_ROOT = "account-root"
"""No resource's policy has a say, and the account's root may do everything in its own account."""
NO_PERMISSION_NEEDED = "no-permission-needed"
"""GetCallerIdentity: anyone may know who they are (API reference, GetCallerIdentity)."""
RETIRING = "retiring-principal"
"""RetireGrant by the retiring principal that the grant names, or by its grantee if the grantee may retire it."""
DUE = "due"
"""Nobody called: something that a principal started earlier is now due."""
OWN_PASSWORD = "password-policy-allows"  # noqa: S105  # the name of a rule
"""ChangePassword: the account's password policy lets its users change their own passwords (AllowUsersToChangePassword), or
this user has to."""
ITS_OWN = "service-managed"
"""A service makes the key that it manages for an account."""
OTHER_ACCOUNT = "not-across-accounts"
"""The operation cannot be called on a resource of another account (#cross-account-operations)."""

IMPLICIT_DENY = "implicit-deny"
RULE_KINDS: dict[str, str] = {
    NO_RESOURCE_POLICY: IMPLICIT_DENY,
    NO_IDENTITY_POLICY: IMPLICIT_DENY,
    NO_BOUNDARY: IMPLICIT_DENY,
    NO_SESSION_POLICY: IMPLICIT_DENY,
    OTHER_ACCOUNT: "cross-account",
    ACCOUNT_ROOT: "account-root",
    NO_PERMISSION_NEEDED: "no-permission-needed",
    RETIRING: "grant",
    DUE: "due",
    ITS_OWN: "service-managed",
    OWN_PASSWORD: "password-policy",
}

_IMPLICIT = {
    NO_RESOURCE_POLICY: "resource-based policy",
    NO_IDENTITY_POLICY: "identity-based policy",
    NO_BOUNDARY: "permissions boundary",
    NO_SESSION_POLICY: "session policy",
}
_EXPLICIT = {
    KEY_POLICY: "a resource-based policy",
    TRUST_POLICY: "a resource-based policy",
    IDENTITY_POLICY: "an identity-based policy",
    BOUNDARY: "a permissions boundary",
    SESSION_POLICY: "a session policy",
}


@dataclass(slots=True)  # made for every call: frozen would cost a microsecond
class Verdict:
    """`by` is a statement, a grant, or the rule that applied because neither did. `delegation` is the key policy's
    statement (or the grant to the account) that let the identity policy decide. `near` is the one condition that kept
    one statement from allowing. `about` is what conditions could read of the resource, `asked` what they could read of
    the request for this resource only."""

    allowed: bool
    action: str
    resource: str
    by: StatementSource | Grant | str
    delegation: StatementSource | Grant | None = None
    near: dict[str, Any] | None = None
    about: Resource | None = None
    asked: Context | None = None

    @property
    def kind(self) -> str:
        match self.by:
            case str():
                return RULE_KINDS[self.by]
            case Grant():
                return "grant"
            case StatementSource():
                return self.by.kind
            case _:
                assert_never(self.by)

    def document(self) -> dict[str, Any]:
        by = {"kind": RULE_KINDS[self.by], "rule": self.by} if isinstance(self.by, str) else self.by.document()
        effect = "allow" if self.allowed else "deny"
        result = {"action": self.action, "resource": self.resource, "effect": effect, "by": by}
        if self.delegation is not None:
            result["delegation"] = self.delegation.document()
        if self.near is not None:
            result["near"] = self.near
        return result


ELSEWHERE = (
    "because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based "
    "policy explicitly denies access"
)
"""The reason for every refusal about another account's resource, in AWS's words (KMS, access to a key that may not
exist). All causes share one sentence: a second one would reveal whether the resource exists, or what its policy
says."""
CIPHERTEXT = (
    "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not "
    "allowed to access."
)
"""The same for a key that only the ciphertext named."""


def because(verdict: Verdict) -> str:
    """The end of AWS's sentence (IAM user guide, troubleshoot_access-denied)."""
    if isinstance(verdict.by, StatementSource):
        return f"with an explicit deny in {_EXPLICIT[verdict.by.kind]}"
    if isinstance(verdict.by, str) and verdict.by in _IMPLICIT:
        return f"because no {_IMPLICIT[verdict.by]} allows the {verdict.action} action"
    return ELSEWHERE


def owner_of(verdict: Verdict) -> str:
    """The account of the resource that a verdict is about; "" if nobody knows it."""
    if verdict.about is not None:
        return verdict.about.account
    parts = verdict.resource.split(":", 5)
    return parts[4] if len(parts) == 6 else ""


def refusal_of(caller: Caller, verdict: Verdict, named: str | None = "") -> AccessRefused:
    """The refusal that the caller reads: the words are those of AWS's access-denied messages.

    `named` is how the caller named the resource, None if a ciphertext named it. For another account's resource the
    refusal repeats the caller's own words: an alias is not resolved for a caller whom its key does not admit.

    """
    resource, why = verdict.resource, because(verdict)
    if caller.account != owner_of(verdict):
        if named is None:
            return AccessRefused(CIPHERTEXT)
        resource, why = named or resource, ELSEWHERE
    return AccessRefused(
        f"User: {caller.principal} is not authorized to perform: {verdict.action} on resource: {resource} {why}"
    )


EVALUATOR = 4
"""The evaluator's version, recorded with every decision. It goes up when an answer or a reason could come out
differently. A decision of an earlier version is made again by that version's rules (`domain.decisions.again`). 2: an
IPv4-mapped address is the IPv4 address. 3: a Deny with NotPrincipal spares no caller with a permissions boundary. 4:
set operators and Null read an empty value as a null data set; a key of many values is no policy variable; the names in
a grant constraint's pairs have no case."""


def inputs(caller: Caller, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Everything that the evaluator could read, for the record. From it and the log, the decision can be made again."""
    result: dict[str, Any] = {"evaluator": EVALUATOR, "context": {**caller.context, **caller.request}}
    if caller.encryption_context:
        result["encryption_context"] = caller.encryption_context
    resources = {each.resource: each.about.context for each in verdicts if each.about is not None}
    if resources:
        result["resources"] = resources
    asked = {f"{each.action} {each.resource}": each.asked for each in verdicts if each.asked}
    if asked:
        result["asked"] = asked
    return result


KEY_STATE, KEY_USAGE, AUTHENTICATION, NOT_FOUND, LIMIT, REQUEST = (
    "key-state",
    "key-usage",
    "authentication",
    "not-found",
    "limit",
    "request",
)
_REFUSED_BY: dict[str, str] = {
    errors.KeyIsDisabled.kind: KEY_STATE,
    errors.InvalidKeyState.kind: KEY_STATE,
    errors.InvalidKeyUsage.kind: KEY_USAGE,
    errors.CredentialDisabled.kind: AUTHENTICATION,
    errors.CredentialExpired.kind: AUTHENTICATION,
    **dict.fromkeys(errors.NOT_PROVEN, AUTHENTICATION),
    errors.KeyNotFound.kind: NOT_FOUND,
    errors.AliasNotFound.kind: NOT_FOUND,
    errors.NoSuchEntity.kind: NOT_FOUND,
    errors.LimitExceeded.kind: LIMIT,
}


def decided_by(verdicts: Sequence[Verdict], refusal: Refusal | None) -> str:
    """What decided a call, in a word: the kind of permission that let it through or stopped it, or another cause."""
    if refusal is None or isinstance(refusal, errors.DryRunSucceeded):
        return verdicts[0].kind if verdicts else ""
    if isinstance(refusal, AccessRefused) and verdicts:
        return verdicts[-1].kind
    return _REFUSED_BY.get(refusal.kind, REQUEST)
