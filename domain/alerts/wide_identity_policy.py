"""What an identity policy allows on every key, for the rule that checks it."""

from __future__ import annotations

from functools import lru_cache

from domain.arn import key_arn, root_arn
from domain.authorization.caller import Caller
from domain.authorization.question import Resource
from domain.policy.compile import (
    DELEGATED,
    DIRECT,
    IDENTITY_POLICY,
    Permissions,
    compile_identity_policy,
    compile_key_policy,
)
from domain.policy.default import default_key_policy
from domain.policy.parse import INLINE
from domain.policy_analysis.who_could import could

ASKED = ("kms:Decrypt", "kms:CreateGrant", "kms:PutKeyPolicy")
NO_KEY = "00000000-0000-0000-0000-000000000000"
"""A key's id that a policy can cover only with a pattern for all keys."""
ANY_USER = "any-user"


@lru_cache(maxsize=1024)
def gives(document: str, account: str, region: str) -> dict[str, tuple[str, ...]]:
    """What the document allows on a key that it does not name and that leaves access to identity policies: by action, the
    condition keys that must be met."""
    arn, root = key_arn(region, account, NO_KEY), root_arn(account)
    principal = f"arn:aws:iam::{account}:user/{ANY_USER}"
    rules = compile_identity_policy(document, IDENTITY_POLICY, principal, 0, INLINE)
    who = Caller(account, principal, {principal: DIRECT, root: DELEGATED}, ANY_USER, identity=Permissions(rules))
    resource = Resource(arn, account, compile_key_policy(default_key_policy(account), arn, 1), {}, {})
    found = {each: could(who, each, resource).paths for each in ASKED}
    return {
        each: tuple(sorted({condition["key"] for condition in paths[0].open})) for each, paths in found.items() if paths
    }
