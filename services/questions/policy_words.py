"""The words that a key policy may use."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from domain.keys.states import KEY_ACTIONS
from domain.policy.condition_keys import CONDITION_KEYS, NEVER
from domain.policy.conditions import FAMILIES, NULL


def policy_words() -> dict[str, Any]:
    """Its actions, the operators of a Condition, and the condition keys that can have a value here."""
    keys = [asdict(each) for each in CONDITION_KEYS.values() if each.source != NEVER]
    return {"actions": ["kms:*", *KEY_ACTIONS], "operators": [*FAMILIES, NULL], "condition_keys": keys}
