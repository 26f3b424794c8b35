"""Imported key material that expires soon."""

from __future__ import annotations

from collections.abc import Iterator

from domain.alerts.finding import Finding
from domain.alerts.numbers import EXPIRES_SOON
from domain.alerts.settings import AlertSettings
from domain.keys.key import DAY, Key
from domain.log.codec import rfc3339

ID = "material-expiring"


def begins(expires: int, settings: AlertSettings) -> int:
    """From when on it is told of, in microseconds."""
    return expires - settings.number(ID, "days", EXPIRES_SOON["days"].default) * DAY


def judge(key: Key, now: int, settings: AlertSettings) -> Iterator[tuple[int, Finding]]:
    for each in key.materials:
        if each.stored and each.expires and begins(each.expires, settings) <= now < each.expires:
            summary = f"material {each.id} expires at {rfc3339(each.expires)}"
            subject = f"{key.arn}#{each.id}"
            yield each.expires, Finding(subject, summary, key.account, key.arn, tags=dict(key.tags))
