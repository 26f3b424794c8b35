"""Whether the processes that follow the topics keep up. Everything here is pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from projections.log import entry
from projections.registry import PROJECTIONS
from services.audit_devices.devices_file import DeviceSettings, SyslogDeviceSettings
from services.audit_devices.worker import KEEP_EVERY
from services.diagnosis.outcome import CheckOutcome, look, ok, unchecked, wrong
from services.diagnosis.postgres_facts import Followed
from services.followers import lag
from services.settings import Settings

PROJECTOR, ALERTS, NOTARY, NOTIFIERS, DEVICES = "projector", "alert workers", "notary", "notifiers", "audit devices"
COLLECTOR = "collector of traces"
FORGET = "`keytrail audit-devices forget NAME` forgets a device that KEYTRAIL_AUDIT_DEVICES_FILE no longer names."
ALL = (PROJECTOR, ALERTS, NOTARY, NOTIFIERS, DEVICES, COLLECTOR)
PROJECTED = sorted({topic for each in PROJECTIONS.values() for topic in each.topics})
WRITTEN = (entry.EVENTS, entry.DECISIONS)
"""The topics that alert workers judge, and that audit devices are given."""
ReachedByFollower = TypeVar("ReachedByFollower")
FEW, MANY = 1000, 2**63
"""Records that may wait during a burst."""
LONGEST_APART = 20.0
"""Seconds that a further look is waited for at most."""


def unknown(why: str) -> Iterator[CheckOutcome]:
    for check in ALL:
        yield unchecked(check, why)


def of_lag(
    settings: Settings,
    before: Followed,
    after: Followed,
    ends: lag.TopicEnds,
    devices: Sequence[DeviceSettings],
    apart: float,
) -> Iterator[CheckOutcome]:
    """`before` and `after`: two looks, `apart` seconds apart. `ends`: where the topics ended at the first. `devices`: the audit
    devices that the file names, as far as it is on this machine."""
    projected = (before.projected or None, after.projected or None)
    yield _judgement(PROJECTOR, projected, _unprojected, ends, PROJECTED, "the projector")
    if not settings.alert_workers:
        yield ok(ALERTS, "none are wanted (KEYTRAIL_ALERT_WORKERS)")
    else:
        yield _judgement(ALERTS, (before.judged, after.judged), _unjudged, ends, WRITTEN, "an alert worker")
    if not settings.notaries:
        yield ok(NOTARY, "none is wanted (KEYTRAIL_NOTARIES)")
    else:
        yield _judgement(NOTARY, (before.notarised, after.notarised), _waiting, ends, ends, "a notary")
    yield _notifiers(before, after, ends)
    yield _devices(before, after, ends, devices, apart)
    yield _collector(settings, after)


def _unprojected(projected: Mapping[str, Mapping[str, int]], ends: lag.TopicEnds) -> int:
    return max(each or 0 for each in lag.unprojected(projected, ends).values())


def _unjudged(judged: Mapping[str, int], ends: lag.TopicEnds) -> int:
    return sum(max(0, each or 0) for each in lag.unjudged(judged, ends).values())


def _waiting(notarised: Mapping[str, int], ends: lag.TopicEnds) -> int:
    return lag.waiting(notarised, ends) or 0


def _without_end(ends: lag.TopicEnds, topics: Iterable[str]) -> str:
    """Why it is not known what waits on these topics; "" if it is."""
    unknown = [topic for topic in topics if ends.get(topic) is None]
    ends_or_end = "ends" if len(unknown) == 1 else "end"
    return f"the broker does not say where {', '.join(unknown)} {ends_or_end}" if unknown else ""


def _judgement(
    check: str,
    reached: tuple[ReachedByFollower | None, ReachedByFollower | None],
    count: Callable[[ReachedByFollower, lag.TopicEnds], int],
    ends: lag.TopicEnds,
    topics: Iterable[str],
    who: str,
) -> CheckOutcome:
    """What waits at the second look of what was there at the first. `reached`: how far it had come at each look; None if it never
    ran. `count`: how many records of `topics` wait then, where all of these have ends."""
    first, second = reached
    if first is None or second is None:
        return look(
            check, "it has never run here", f"Start {who}: `keytrail up` starts one, as does the unit of deploy/."
        )
    if why := _without_end(ends, topics):
        return unchecked(check, why)
    before, after = count(first, ends), count(second, ends)
    if after == 0:
        return ok(check, "nothing waits")
    if after >= before:
        return wrong(
            check,
            f"{after} records wait, and none was taken in meanwhile",
            f"Look whether {who} runs, at its log, and at locks in Postgres (pg_locks). docs/operations.md, What an alarm means.",
        )
    if after > FEW:
        return look(
            check, f"{after} records wait; it is catching up", "Wait during a burst; otherwise look at Postgres."
        )
    return ok(check, f"{after} records wait; it is catching up")


def _notifiers(before: Followed, after: Followed, ends: lag.TopicEnds) -> CheckOutcome:
    if not after.notifiers:
        return ok(NOTIFIERS, "none has run here")
    end = max((ends.get(entry.ALERTS) or {}).values(), default=0)
    first = {each["notifier"]: each["number"] for each in before.notifiers}
    stuck = [
        f"{each['notifier']}: {end - each['number'] - 1}"
        for each in after.notifiers
        if each["number"] + 1 < end and each["number"] == first.get(each["notifier"])
    ]
    if stuck:
        return look(
            NOTIFIERS,
            f"alerts that were not taken in: {', '.join(stuck)}",
            "Look whether a notifier runs, and at its log. One that KEYTRAIL_ALERTS_FILE names no more is at its end.",
        )
    dead = sum(each["dead"] for each in after.notifiers)
    waits = [each for each in after.notifiers if each["waiting"]]
    if waits:
        return look(
            NOTIFIERS,
            ", ".join(f"{each['notifier']}: {each['waiting']} wait since {each['since']}" for each in waits),
            "`keytrail alerts notifiers` says why its receiver took none.",
        )
    if dead:
        return look(NOTIFIERS, f"{dead} messages were given up", "`keytrail alerts dead-letters` shows them.")
    if why := _without_end(ends, [entry.ALERTS]):
        return unchecked(NOTIFIERS, why)
    return ok(NOTIFIERS, f"nothing waits for {len(after.notifiers)}")


def longer_apart(
    before: Followed, after: Followed, ends: lag.TopicEnds, devices: Sequence[DeviceSettings]
) -> float | None:
    """How many seconds have to be between two looks before the audit devices that stood still between these can be judged; None
    if there is none, or if that takes too long."""
    still = [_longest_still(each, devices) for each in after.devices if _stood_still(each, before, ends)]
    return max((each for each in still if each <= LONGEST_APART), default=None)


def _longest_still(device: Mapping[str, Any], devices: Sequence[DeviceSettings]) -> float:
    """Seconds for which the position of a healthy device may stay where it is, though records wait. A syslog device keeps it once
    the records have settled, and only the file says how long that takes."""
    named = [each for each in devices if each.name == device["device"]]
    settles = [float(each.settle_seconds) for each in named if isinstance(each, SyslogDeviceSettings)]
    if device["kind"] == SyslogDeviceSettings.kind and not settles:
        return math.inf
    return KEEP_EVERY + 1 + sum(settles)


def _stood_still(device: Mapping[str, Any], before: Followed, ends: lag.TopicEnds) -> int:
    """How many records wait for a device that runs and took none since the first look; 0 for any other."""
    first = [each for each in before.devices if each["device"] == device["device"]]
    if not first or not device["named"]:
        return 0
    count = lag.of_device(device["next"], ends) or 0
    return count if count >= (lag.of_device(first[0]["next"], ends) or MANY) else 0


def _devices(
    before: Followed, after: Followed, ends: lag.TopicEnds, devices: Sequence[DeviceSettings], apart: float
) -> CheckOutcome:
    taken_up = {each["device"] for each in after.devices if each["named"] is not False}
    missing = ", ".join(each.name for each in devices if each.name not in taken_up)
    if not after.devices and missing:
        return look(
            DEVICES,
            f"the file names these, and no process for audit devices has run here: {missing}",
            "Start it: `keytrail up` does, as does the unit of deploy/. Until then no device is given a record.",
        )
    if not after.devices:
        return ok(DEVICES, "none has run here")
    # Before the faults: a process that ended cannot take back what it said of a device last.
    idle = [
        each["device"] + (f" (its last fault: {each['fault']})" if each["fault"] else "")
        for each in after.devices
        if each["named"] is None
    ]
    if idle:
        never = f"; these never have: {missing}" if missing else ""
        return look(
            DEVICES,
            f"no process for audit devices is at work, and these have run: {', '.join(idle)}{never}",
            f"Start it: `keytrail up` does, if the file names a device. {FORGET}",
        )
    faults = [f"{each['device']}: {each['fault']}" for each in after.devices if each["fault"] and each["named"]]
    if faults:
        return look(
            DEVICES, "; ".join(faults), "Repair that; the records wait on Kafka until its retention removes them."
        )
    if missing:
        return look(
            DEVICES,
            f"the file names these, and the process at work has not taken them up: {missing}",
            "Stop the process for audit devices and start it again: it reads the file at its start.",
        )
    stuck = [
        f"{each['device']}: {count} wait, none was taken meanwhile"
        for each in after.devices
        if (count := _stood_still(each, before, ends)) and (count > FEW or apart >= _longest_still(each, devices))
    ]
    if stuck:
        return look(DEVICES, "; ".join(stuck), "Look at the log of the process audit-devices.")
    left = [each["device"] for each in after.devices if each["named"] is False]
    if left:
        return look(DEVICES, f"the file does not name these, which have run: {', '.join(left)}", FORGET)
    if why := _without_end(ends, WRITTEN):
        return unchecked(DEVICES, why)
    return ok(DEVICES, f"{len(after.devices)} keep up")


def _collector(settings: Settings, after: Followed) -> CheckOutcome:
    away = after.collector
    if away is not None:
        return look(
            COLLECTOR,
            f"{away['fault']} (since {away['since']}; {', '.join(away['processes'])})",
            "Repair that, or see to KEYTRAIL_TRACES_ENDPOINT. Spans are lost meanwhile; no call waits, and no record is missing.",
        )
    if not settings.traces_endpoint:
        return ok(COLLECTOR, "none is named (KEYTRAIL_TRACES_ENDPOINT)")
    return ok(COLLECTOR, "no process says that it is away")
