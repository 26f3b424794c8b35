"""The rate limit of changing calls: a burst, then a sustained rate, for each principal separately."""

from __future__ import annotations

import time

import pytest

from services.kms_api import rate_limit
from services.kms_api.errors import Throttled
from services.kms_api.rate_limit import RateLimit


def test_a_burst_then_the_rate_and_others_are_not_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    limit = RateLimit(rate=2, burst=3)
    for _ in range(3):
        limit.take("alice")
    with pytest.raises(Throttled):
        limit.take("alice")
    limit.take("bob")
    now += 0.5
    limit.take("alice")
    with pytest.raises(Throttled):
        limit.take("alice")


def test_a_rate_of_zero_limits_nothing() -> None:
    limit = RateLimit(rate=0, burst=0)
    for _ in range(10_000):
        limit.take("alice")


def test_a_million_principals_take_no_more_memory_than_some() -> None:
    limit = RateLimit(rate=1, burst=1)
    for number in range(rate_limit.REMEMBERED * 2):
        limit.take(str(number))
    assert len(limit._buckets) == rate_limit.REMEMBERED
