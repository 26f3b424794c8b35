"""What a storm of alerts becomes: a few messages at once, then one that still says what each alert was about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.exports.ocsf_finding import finding_of
from services.notifier.delivery import words
from services.notifier.storms import AT_ONCE, NAMED, Message, Storm, gathered, storm_from
from tests.given import ACCOUNT, OTHER

NOW = datetime(2026, 11, 30, tzinfo=UTC)
SECONDS = 300
OVER = NOW + timedelta(seconds=SECONDS + 1)
RULE = "key-policy-last-administrator"


def alert(number: int, account: str = ACCOUNT, severity: str = "high", key: str = "") -> tuple[int, dict[str, Any]]:
    """(offset, alert)."""
    key = key or f"key-{number}"
    return number, {
        "id": f"{number:032x}", "at": f"2026-11-30T00:00:{number % 60:02}Z", "rule": RULE, "severity": severity, "account": account,
        "key_id": key, "title": "One principal alone", "summary": f"on {key}", "state": "open", "source": {}, "about": [],
        "subject": key, "suppressed": None, "evidence": {}, "marked_at": None, "marked_by": None, "note": None, "number": number,
    }  # fmt: skip


def grouped(count: int, storms: dict[str, Storm] | None = None) -> Message:
    """The message at the end of a storm in which `count` alerts are held back."""
    held: dict[str, Storm] = {} if storms is None else storms
    at_once = gathered("siem", held, [alert(each) for each in range(AT_ONCE + count)], SECONDS, NOW)
    assert [each.message["count"] for each in at_once] == [1] * AT_ONCE
    held = {name: storm_from(each.document()) for name, each in held.items()}
    (message,) = gathered("siem", held, [], SECONDS, OVER)
    return message


@pytest.mark.parametrize(("account", "severity"), [(OTHER, "high"), (ACCOUNT, "critical"), (OTHER, "critical")])
def test_decoys_hold_back_no_alert_of_another_account_or_severity(account: str, severity: str) -> None:
    """Gained: an alert about a key that matters, five minutes late and as a part of a count. The decoys were the attacker's own."""
    storms: dict[str, Storm] = {}
    gathered("siem", storms, [alert(each) for each in range(AT_ONCE + 1)], SECONDS, NOW)
    (message,) = gathered("siem", storms, [alert(9, account, severity, key="production")], SECONDS, NOW)
    assert (message.message["count"], message.message["alert"]["key_id"]) == (1, "production")


def test_a_grouped_message_says_what_each_alert_was_about() -> None:
    message = grouped(3).message
    assert (message["count"], message["alert"]["key_id"]) == (3, "key-5")
    assert [(each["key_id"], each["summary"], each["id"]) for each in message["others"]] == [
        ("key-6", "on key-6", f"{6:032x}"),
        ("key-7", "on key-7", f"{7:032x}"),
    ]
    lines = words(message)[1].splitlines()
    assert lines[-3:] == [
        "The others:",
        f"2026-11-30T00:00:06Z  key-6  on key-6  {6:032x}",
        f"2026-11-30T00:00:07Z  key-7  on key-7  {7:032x}",
    ]


def test_a_grouped_finding_names_the_others() -> None:
    message = grouped(3).message
    finding = finding_of(message["alert"], message["count"], others=message["others"])
    related = finding["finding_info"]["related_events"]
    assert [(each["uid"], each["type_uid"]) for each in related] == [(f"{6:032x}", 200401), (f"{7:032x}", 200401)]
    assert [each["observables"][0]["value"] for each in related] == ["key-6", "key-7"]
    assert finding["unmapped"]["others"] == message["others"]


def test_a_message_names_so_many_and_counts_the_rest() -> None:
    message = grouped(NAMED + 7).message
    assert (len(message["alerts"]), len(message["others"]), message["count"]) == (NAMED, NAMED - 1, NAMED + 7)
    assert words(message)[1].splitlines()[-1] == f"7 more: keytrail alerts --rule {RULE}"


def test_what_version_0_1_0_held_back_is_sent() -> None:
    """By rule, and without lines."""
    document = {
        "until": (NOW + timedelta(seconds=10)).isoformat(), "sent": AT_ONCE, "held": [f"{1:032x}", f"{2:032x}"], "first": alert(1)[1],
        "count": 2, "last": "2026-11-30T00:00:02Z", "lowest": 1,
    }  # fmt: skip
    storms = {RULE: storm_from(document)}
    (message,) = gathered("siem", storms, [], SECONDS, OVER)
    assert (message.message["alerts"], message.message["count"]) == (document["held"], 2)
    assert words(message.message)[1].splitlines()[-1] == f"1 more: keytrail alerts --rule {RULE}"
    gathered("siem", storms, [], SECONDS, OVER + timedelta(seconds=2 * SECONDS))
    assert storms == {}


def test_version_0_1_0_reads_what_is_held_back() -> None:
    """It knows these members and no other, and it may take over while both run."""
    storms: dict[str, Storm] = {}
    gathered("siem", storms, [alert(each) for each in range(AT_ONCE + 3)], SECONDS, NOW)
    (storm,) = storms.values()
    assert storm.others
    assert set(storm.document()) == {"until", "sent", "held", "first", "count", "last", "lowest"}
