"""Policies in the place of what a trail never showed: an Allow and a Deny, both under a condition that nobody can know.

"Who could", a diff and a draft's answers are then right without further work. They say "possible", under the condition
that the unseen part allows it and does not deny it. No answer counts what is unseen as allowed or as denied.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the command line names these words and compiles nothing
    from domain.policy.compile import CompiledStatement

KEY = "keytrail:Unseen"
"""The condition key. Its wanted value names what was never seen."""
NAME = "keytrail-unseen"
"""The name of an identity's inline policy, and of a key's tag, that say which part was never seen."""
IDENTITY = "identity policies, groups, tags, date and trust policy"
NEVER = "which the trail never saw"
SETTLED_BY = "keytrail import policies"
SIDS = ("UnseenAllow", "UnseenDeny")
GRANTS = "grants"
POLICY, REST = "key policy", "grants, aliases, tags and specification"


def document(what: str, *, of_key: bool) -> str:
    """A policy that may allow everything and may deny everything."""
    condition = {"StringEquals": {KEY: what}}
    common = {"Action": "*", "Resource": "*", "Condition": condition} | ({"Principal": "*"} if of_key else {})
    statements = [{"Sid": sid, "Effect": sid.removeprefix("Unseen"), **common} for sid in SIDS]
    return json.dumps({"Version": "2012-10-17", "Id": NAME, "Statement": statements})


def policy_before(key: str) -> str:
    return document(f"the policy of {key} from before the trail began", of_key=True)


def policies_of(principal: str) -> str:
    return document(f"the identity policies of {principal}", of_key=False)


def is_document(text: str) -> bool:
    """Whether a policy's text is one of these policies."""
    return f'"Id": "{NAME}"' in text and f'"{KEY}"' in text


def is_unseen(rule: CompiledStatement) -> bool:
    """Whether a statement belongs to one of these policies."""
    return any(test.key == KEY for test in rule.tests or ())


def mark_of(*, policy: bool, grants: bool) -> str:
    """Which parts of a key were never seen; its policy or its grants may be known from elsewhere."""
    words = [POLICY] if policy else []
    return ", ".join([*words, REST if grants else REST.removeprefix(f"{GRANTS}, ")])


def without_policy(of_key: str) -> str:
    return of_key.removeprefix(f"{POLICY}, ")


def may_let_in(of_key: str) -> bool:
    """Whether the unseen part of a key may have let somebody in."""
    return POLICY in of_key or GRANTS in of_key


def unseen_of(tags: Mapping[str, str]) -> str:
    """Which parts of a key were never seen, from its tags; "" if everything was seen."""
    return tags.get(NAME, "")
