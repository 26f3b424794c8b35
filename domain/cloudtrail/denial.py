"""What the message of a denied call tells. In the record of such a call KMS leaves out resources and parameters; the
message names the key.

Source: IAM user guide, troubleshoot_access-denied (the forms of the message, and the kinds of policy); KMS developer
guide, policy-evaluation. Messages of older records say less.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from domain.policy.compile import BOUNDARY, IDENTITY_POLICY, KEY_POLICY, SESSION_POLICY

KINDS = {
    "identity-based": IDENTITY_POLICY,
    "resource-based": KEY_POLICY,
    "session": SESSION_POLICY,
    "permissions boundary": BOUNDARY,
    "service control": "service-control-policy",
    "resource control": "resource-control-policy",
    "vpc endpoint": "vpc-endpoint-policy",
    "role trust": "trust-policy",
}
"""Kinds of policies, by the names that AWS's messages give them."""
NEVER_SEEN = frozenset({"service-control-policy", "resource-control-policy", "vpc-endpoint-policy", SESSION_POLICY})
"""Kinds that no trail shows."""
NOTHING, DENY = "nothing-allows", "explicit-deny"
_KIND = r"(identity-based|resource-based|session|permissions boundary|service control|resource control|VPC endpoint|role trust)"
_QUOTES = "\"'\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb\u2039\u203a`"
"""Characters that tools and languages put around a name."""
_RESOURCE = re.compile(rf"on\s+(?:the\s+)?resource:\s*[{_QUOTES}]?([^\s{_QUOTES}]+)")
_KEY = re.compile(r":key/(?!(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|mrk-[0-9a-f]{32})$)")
"""The ARN of a key in which the key's id is missing or cut short."""
_ACTION = re.compile(rf"not authorized to perform:\s*[{_QUOTES}]?([a-z0-9-]+:\w+)", re.IGNORECASE)
_BECAUSE = re.compile(rf"because no {_KIND}(?: polic(?:y|ies))? allows?\b", re.IGNORECASE)
_WITH = re.compile(
    rf"explicit deny in an? {_KIND}(?: policy)?(?::? [{_QUOTES}]?(arn:[^\s{_QUOTES},]+))?", re.IGNORECASE
)
_BARE = re.compile(r"with an explicit deny(?! in)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Denial:
    """A field is "" if the message does not tell it. `rule`: why the call was denied, NOTHING or DENY; `kind`: of the
    policy; `policy`: its ARN."""

    resource: str = ""
    action: str = ""
    kind: str = ""
    rule: str = ""
    policy: str = ""


def denial_of(message: str) -> Denial:
    resource = _RESOURCE.search(message)
    action = _ACTION.search(message)
    named = resource[1].rstrip(".,;") if resource else ""
    cut = resource is not None and resource.end() == len(message) and _KEY.search(named) is not None
    found = ("" if cut or "*" in named else named, action[1] if action else "")
    if (because := _BECAUSE.search(message)) is not None:
        return Denial(*found, KINDS[because[1].lower()], NOTHING)
    if (denied := _WITH.search(message)) is not None:
        return Denial(*found, KINDS[denied[1].lower()], DENY, (denied[2] or "").rstrip(".;"))
    return Denial(*found, "", DENY if _BARE.search(message) else "")


UNTOLD = Denial()
