"""What the rules on key policies have in common: the events that they judge, and the advice that they give."""

from __future__ import annotations

from domain.log.events import KeyCreated, PolicyReplaced

POLICY_SET = (PolicyReplaced, KeyCreated)
"""The events that set a key's policy."""
POLICY_REPLACED = (PolicyReplaced,)
"""The events for rules that compare two policies of a key."""

COMPARE = "Read `keytrail diff KEY --from V1 --to V2`; "
PUT_BACK = COMPARE + "if nobody wanted this, put the earlier version back (`keytrail show KEY --at @POSITION`)."
