"""Ways around a rule in several steps, none of which the rule saw."""

from __future__ import annotations

import pytest

from domain.alerts.change import Facts
from domain.log import events
from tests.domain.test_alert_rules import judged
from tests.given import ACCOUNT, a_key, key_id


@pytest.mark.parametrize(
    ("former", "now", "told"),
    [
        (key_id(1), 2, f"alias/a for key {key_id(2)}; until it was deleted, it was for key {key_id(1)}"),
        (key_id(1), 1, ""),
        (key_id(9), 2, ""),
        ("", 2, ""),
    ],
    ids=["another key", "the same key", "a key that is gone", "a new name"],
)
def test_an_alias_that_is_deleted_and_made_again_for_another_key_was_moved(former: str, now: int, told: str) -> None:
    """Gained: everybody encrypts under the attacker's key. UpdateAlias would have raised an alert."""
    event = events.AliasCreated(ACCOUNT, "alias/a", key_id(now))
    found = judged(event, a_key(1), a_key(2), facts=Facts(former_key=former))
    assert [each.finding.summary.partition(" made ")[2] for each in found] == ([told] if told else [])
    assert {each.rule.id for each in found} == ({"alias-moved"} if told else set())
