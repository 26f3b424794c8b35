"""What the rules on key policies have in common: the events that they judge, the advice that they give, and what a
statement covers by its text."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from domain.log.events import KeyCreated, PolicyReplaced
from domain.policy.glob import compile_glob

POLICY_SET = (PolicyReplaced, KeyCreated)
"""The events that set a key's policy."""
POLICY_REPLACED = (PolicyReplaced,)
"""The events for rules that compare two policies of a key."""

COMPARE = "Read `keytrail diff KEY --from V1 --to V2`; "
PUT_BACK = COMPARE + "if nobody wanted this, put the earlier version back (`keytrail show KEY --at @POSITION`)."


def covered(statement: Mapping[str, Any], actions: Collection[str]) -> set[str]:
    """The actions that a statement covers, by its text alone."""
    element = "Action" if "Action" in statement else "NotAction"
    wanted = statement.get(element, ())
    patterns = [compile_glob(each.lower()) for each in ([wanted] if isinstance(wanted, str) else wanted)]
    named = {each for each in actions if any(matches(each.lower()) for matches in patterns)}
    if element == "Action":
        return named
    return set(actions) - named if wanted else set()
