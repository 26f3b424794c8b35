"""What the rules on key policies have in common: the events that they look at, and the advice that they give."""

from __future__ import annotations

from domain.log.events import KeyCreated, PolicyReplaced

POLICY_SET = (PolicyReplaced, KeyCreated)
"""Every event that gives a key its policy."""
POLICY_REPLACED = (PolicyReplaced,)
"""The events that a rule looks at which compares two policies of a key."""

COMPARE = "Read `keytrail diff KEY --from V1 --to V2`; "
PUT_BACK = COMPARE + "if nobody wanted this, put the earlier version back (`keytrail show KEY --at @POSITION`)."
