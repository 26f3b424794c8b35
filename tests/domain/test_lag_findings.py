"""What `keytrail doctor` makes of how far the processes that follow the topics have come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.audit_devices.devices_file import DeviceSettings, FileDeviceSettings, SyslogDeviceSettings
from services.diagnosis import lag_findings
from services.diagnosis.examination import followed_ends
from services.diagnosis.outcome import CheckOutcome, CheckVerdict, unchecked
from services.diagnosis.postgres_facts import Followed
from services.followers.lag import TopicEnds
from tests.domain.test_diagnosis import FOLLOWED, SETTINGS

ENDS: TopicEnds = {"events": {0: 10}, "decisions": {0: 100}, "alerts": {0: 5}}
SIEM = {"notifier": "siem", "number": 4, "waiting": 0, "since": "then", "dead": 0}
ARCHIVE = {
    "device": "archive",
    "kind": "file",
    "next": {"events/0": 10, "decisions/0": 100},
    "fault": "",
    "named": True,
}


def of_lag(
    after: Followed,
    before: Followed = FOLLOWED,
    ends: TopicEnds = ENDS,
    devices: Sequence[DeviceSettings] = (),
    apart: float = 2.0,
) -> dict[str, CheckOutcome]:
    return {each.check: each for each in lag_findings.of_lag(SETTINGS, before, after, ends, devices, apart)}


def test_who_keeps_up_catches_up_or_stands_still() -> None:
    assert {each.verdict for each in of_lag(FOLLOWED).values()} == {CheckVerdict.OK}
    stuck = replace(FOLLOWED, projected={"decisions": {"events/0": 10, "decisions/0": 40}})
    assert of_lag(stuck, stuck)["projector"].found == "60 records wait, and none was taken in meanwhile"
    behind = replace(stuck, projected={"decisions": {"events/0": 10, "decisions/0": 10}})
    assert of_lag(stuck, behind)["projector"].verdict == CheckVerdict.OK
    never = replace(FOLLOWED, judged=None)
    assert of_lag(never, never)["alert workers"].found == "it has never run here"
    siem = SIEM | {"waiting": 3}
    unsent = replace(FOLLOWED, notifiers=[siem])
    assert of_lag(unsent)["notifiers"].found == "siem: 3 wait since then"
    gone = replace(FOLLOWED, notifiers=[siem | {"number": 1, "waiting": 0}])
    assert of_lag(gone, gone)["notifiers"].found == "alerts that were not taken in: siem: 3"
    assert of_lag(gone, FOLLOWED)["notifiers"].verdict == CheckVerdict.OK, "it was not there at the first look"
    done = replace(FOLLOWED, notifiers=[siem | {"waiting": 0, "dead": 2}])
    assert of_lag(done)["notifiers"].found == "2 messages were given up"


def test_an_audit_device_that_fails_or_stands_still_is_named() -> None:
    many = {"events": {0: 10}, "decisions": {0: 5000}, "alerts": {0: 5}}
    archive = ARCHIVE
    behind = replace(FOLLOWED, devices=[archive])

    def found(before: Followed, after: Followed) -> CheckOutcome:
        return of_lag(after, before, many)["audit devices"]

    assert of_lag(behind)["audit devices"].found == "1 keep up"
    assert found(behind, behind).found == "archive: 4900 wait, none was taken meanwhile"
    moved = replace(FOLLOWED, devices=[archive | {"next": {"events/0": 10, "decisions/0": 200}}])
    assert found(behind, moved).verdict == CheckVerdict.OK
    assert found(FOLLOWED, behind).verdict == CheckVerdict.OK, "it was not there at the first look"
    full = replace(FOLLOWED, devices=[archive | {"fault": "/var/log/x: No space left on device"}])
    assert of_lag(full)["audit devices"].found == "archive: /var/log/x: No space left on device"
    left = replace(full, devices=[{**each, "named": False} for each in full.devices])
    assert of_lag(left)["audit devices"].found == "the file does not name these, which have run: archive"
    assert "keytrail audit-devices forget" in of_lag(left)["audit devices"].do
    idle = replace(behind, devices=[archive | {"named": None}])
    assert of_lag(idle)["audit devices"].found.endswith("these have run: archive")


def test_a_collector_of_traces_that_is_away_is_named() -> None:
    assert of_lag(FOLLOWED)["collector of traces"].verdict == CheckVerdict.OK
    told = {"fault": "http://c:4318: it answered 503", "since": "then", "processes": ["api", "writer"]}
    found = of_lag(replace(FOLLOWED, collector=told))["collector of traces"]
    assert (found.verdict, found.found) == (
        CheckVerdict.LOOK,
        "http://c:4318: it answered 503 (since then; api, writer)",
    )


@pytest.mark.parametrize(
    ("silent", "checks"),
    [
        ("events", ["projector", "alert workers", "notary", "audit devices"]),
        ("decisions", ["projector", "alert workers", "notary", "audit devices"]),
        ("alerts", ["projector", "notary", "notifiers"]),
    ],
)
def test_where_a_topics_end_is_not_known_nobody_is_said_to_keep_up_with_it(silent: str, checks: list[str]) -> None:
    """They were said to keep up, or never to have run."""
    ran = replace(FOLLOWED, notifiers=[SIEM], devices=[ARCHIVE])
    found = of_lag(ran, ran, {**ENDS, silent: None})
    expected = {each: unchecked(each, f"the broker does not say where {silent} ends") for each in checks}
    assert {name: each for name, each in found.items() if each.verdict != CheckVerdict.OK} == expected


def test_what_is_known_without_a_topics_end_is_said_all_the_same() -> None:
    nothing: TopicEnds = dict.fromkeys(ENDS)
    never = replace(FOLLOWED, judged=None, notifiers=[SIEM | {"dead": 2}], devices=[ARCHIVE | {"fault": "full"}])
    found = of_lag(never, never, nothing)
    assert found["alert workers"].found == "it has never run here"
    assert found["notifiers"].found == "2 messages were given up"
    assert found["audit devices"].found == "archive: full"


NAMED = (FileDeviceSettings(name="archive", path=Path("/a")), SyslogDeviceSettings(name="siem", host="s", port=6514))


def of_devices(*rows: dict[str, Any], apart: float = 2.0, devices: Sequence[DeviceSettings] = NAMED) -> CheckOutcome:
    """The rows are the same at both looks."""
    ran = replace(FOLLOWED, devices=rows)
    return of_lag(ran, ran, devices=devices, apart=apart)["audit devices"]


def test_a_device_that_only_the_file_names_is_not_well() -> None:
    """A process that was never started has no row, so nothing was found."""
    found = of_devices()
    assert (found.verdict, found.found) == (
        CheckVerdict.LOOK,
        "the file names these, and no process for audit devices has run here: archive, siem",
    )
    found = of_devices(ARCHIVE, ARCHIVE | {"device": "siem", "named": False})
    assert found.found == "the file names these, and the process at work has not taken them up: siem"
    found = of_devices(ARCHIVE | {"named": None})
    assert found.found.endswith("these have run: archive; these never have: siem")


def test_a_process_that_ended_while_a_device_failed_is_said_to_have_ended() -> None:
    """Its last words stay in the row for ever."""
    ended = ARCHIVE | {"named": None, "fault": "/a: No space left on device"}
    found = of_devices(ended, devices=NAMED[:1])
    assert (found.verdict, found.found) == (
        CheckVerdict.LOOK,
        "no process for audit devices is at work, and these have run: archive (its last fault: /a: No space left on device)",
    )


def test_a_few_records_that_stand_still_for_longer_than_they_may_are_a_finding() -> None:
    """The position of what is not for a device is kept every five seconds, and of what a syslog server got once it has settled."""
    archive, siem = (
        {**ARCHIVE, "device": each.name, "kind": each.kind, "next": {"events/0": 10, "decisions/0": 97}}
        for each in NAMED
    )
    still = replace(FOLLOWED, devices=[archive, siem])
    assert of_devices(archive, siem, apart=2.0).verdict == CheckVerdict.OK
    assert lag_findings.longer_apart(still, still, ENDS, NAMED) == 11.0, "five seconds, those that settle, and one"
    assert of_devices(archive, siem, apart=6.0).found == "archive: 3 wait, none was taken meanwhile"
    assert of_devices(archive, siem, apart=11.0).found.count("3 wait, none was taken meanwhile") == 2
    assert of_devices(siem, apart=19.0, devices=()).verdict == CheckVerdict.OK, "how long it settles is not known here"
    slow = replace(still, devices=[siem])
    assert lag_findings.longer_apart(slow, slow, ENDS, [replace(NAMED[1], settle_seconds=60)]) is None


def test_no_further_look_is_taken_where_devices_move_or_have_everything() -> None:
    behind = replace(FOLLOWED, devices=[ARCHIVE | {"next": {"events/0": 10, "decisions/0": 90}}])
    done = replace(FOLLOWED, devices=[ARCHIVE])
    assert lag_findings.longer_apart(behind, done, ENDS, NAMED) is None
    assert lag_findings.longer_apart(done, done, ENDS, NAMED) is None
    for named in (False, None):
        away = replace(FOLLOWED, devices=[{**behind.devices[0], "named": named}])
        assert lag_findings.longer_apart(away, away, ENDS, ()) is None


def test_nothing_waits_in_a_partition_that_a_retention_has_emptied() -> None:
    """`keytrail status` said so; doctor called alert workers and notaries wrong for as long as no record came there."""
    bounds = {"keytrail.events": {0: (0, 10)}, "keytrail.decisions": {0: (60, 100), 1: (70, 70), 2: (0, 0)}}
    ends = followed_ends(SETTINGS, bounds)
    assert ends == {"events": {0: 10}, "decisions": {0: 100, 2: 0}, "alerts": None}
    assert of_lag(FOLLOWED, ends=ends)["alert workers"].found == "nothing waits"
