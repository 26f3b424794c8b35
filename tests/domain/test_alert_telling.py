"""What an alert says beside its finding, and what a person types next."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from domain.alerts.deeds import deed
from domain.alerts.engine.telling import COMMAND, PLACEHOLDER, filled, telling
from domain.alerts.rules.table import RULES

KEY = "1234abcd-12ab-34cd-56ef-1234567890ab"
BOB = "arn:aws:iam::111122223333:user/bob"


def alert(**more: Any) -> dict[str, Any]:
    source = {"call": "c-1", "by": BOB, "operation": "PutKeyPolicy", "position": 7, "from_version": 2, "to_version": 3}
    return {"id": "f" * 32, "rule": "key-policy-public", "key_id": KEY, "subject": KEY, "source": source} | more


def test_an_alert_says_who_did_what_at_which_position_and_from_which_version_to_which() -> None:
    told = alert() | telling(alert())
    assert deed(told) == f"by {BOB}, PutKeyPolicy @7, policy v2 → v3"
    assert told["call_id"] == "c-1"
    assert told["do"].startswith(f"Read `keytrail diff {KEY} --from 2 --to 3`; if nobody wanted this")
    assert f"`keytrail show {KEY} --at @6`" in told["do"]
    assert told["commands"] == [
        "keytrail explain c-1",
        f"keytrail diff {KEY} --from 2 --to 3",
        f"keytrail policy {KEY} --version 2",
        f"keytrail show {KEY} --at @6",
        f"keytrail decisions --key {KEY}",
        f"keytrail history {KEY}",
        f"keytrail alerts ack {'f' * 32}",
    ]


@pytest.mark.parametrize("rule", RULES)
def test_no_command_of_any_rule_lacks_its_subject(rule: str) -> None:
    found = telling(alert(rule=rule, subject="alias/first"))
    assert [each for each in found["commands"] if PLACEHOLDER.search(each)] == []
    for command in COMMAND.findall(found["do"]):
        if command.startswith("keytrail ") and command.split()[1] in (
            "diff",
            "show",
            "history",
            "decisions",
            "who-can",
        ):
            assert not PLACEHOLDER.search(command), command


def test_what_a_caller_wrote_is_quoted_for_the_shell() -> None:
    """The path of a user may contain text that a shell would run."""
    evil = "arn:aws:iam::111122223333:user/x'$(touch /tmp/x)/bob"
    text = filled("`keytrail decisions --where principal=ARN`", alert(source={"by": evil}))
    assert shlex.split(COMMAND.findall(text)[0])[-1] == f"principal={evil}"


def test_an_alert_of_an_earlier_version_and_one_that_nobody_caused_tell_what_there_is() -> None:
    old = alert(source={"topic": "events", "partition": 0, "offset": 7, "call": "c-1"})
    assert deed(old | telling(old)) == ""
    assert telling(old)["commands"][0] == "keytrail explain c-1"
    health = alert(rule="log-break", key_id=None, source={}, subject="x")
    assert telling(health)["commands"][-1] == f"keytrail alerts ack {'f' * 32}"
