"""Imported key material that expires soon."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.finding import Finding
from domain.alerts.numbers import Number, Numbers
from domain.alerts.rule import AlertRule, OnTime
from domain.alerts.severities import MEDIUM
from domain.durations import DAY_MICROS
from domain.keys.key import Key
from domain.log.codec import rfc3339

AHEAD = Number("days", 7, "material that expires within so many days is told of")


def begins(expires: int, numbers: Numbers) -> int:
    """The time from which the alert is raised, in microseconds."""
    return expires - numbers[AHEAD] * DAY_MICROS


def judge(key: Key, now: int, numbers: Numbers) -> Iterator[tuple[int, Finding]]:
    for each in key.materials:
        if each.stored and each.expires and begins(each.expires, numbers) <= now < each.expires:
            summary = f"material {each.id} expires at {rfc3339(each.expires)}"
            subject = f"{key.arn}#{each.id}"
            yield each.expires, Finding(subject, summary, key.account, key.arn, tags=dict(key.tags))


RULE = AlertRule(
    id="material-expiring",
    title="Imported key material expires soon",
    severity=MEDIUM,
    means="Expired material is destroyed, and the key can then not be used.",
    do="Import it again with a later ValidTo, or without one.",
    references=(),
    kind=OnTime(judge, numbers=(AHEAD,)),
)
