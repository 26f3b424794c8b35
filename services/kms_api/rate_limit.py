"""A token bucket for each principal. It limits how many changing calls a principal may make."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass

from services.kms_api.errors import Throttled

REMEMBERED = 10_000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class RateLimit:
    """Allows `rate` calls a second over time, and `burst` at once. A rate of 0 means no limit."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, principal: str) -> None:
        """Raises Throttled."""
        if self._rate <= 0:
            return
        now = time.monotonic()
        bucket = self._buckets.pop(principal, None) or _Bucket(self._burst, now)
        self._buckets[principal] = bucket
        if len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
        bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.at) * self._rate)
        bucket.at = now
        if bucket.tokens < 1:
            raise Throttled("Rate exceeded")
        bucket.tokens -= 1
