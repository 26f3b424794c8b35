"""Metrics for Prometheus. No label holds a principal, a key or anything else that a caller chooses.

On one machine every process of an installation writes into one folder (PROMETHEUS_MULTIPROC_DIR, set by the supervisor), so
that any API worker's /metrics answers for all of them. On several machines each process answers for itself.
"""

from __future__ import annotations

import asyncio
import os
import time
from bisect import bisect_left
from collections import Counter as Counts
from collections.abc import Callable, Mapping
from itertools import product

from prometheus_client import (
    PROCESS_COLLECTOR,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from services.inherited import CHILD

# The time of each counter's birth would double the text, and a shared folder does not have it.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves it untyped

CALLS = Counter("keytrail_calls", "Calls by operation and effect", ["operation", "effect"])
BUCKETS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 1.0, 4.0, 16.0)
LATENCY = Histogram(
    "keytrail_call_seconds",
    "Time from the request's last byte to its answer",
    ["operation"],
    buckets=BUCKETS,
)
UNAUTHENTICATED = Counter("keytrail_unauthenticated", "Requests refused before a caller was known", ["reason"])
NOT_ANSWERED = Counter("keytrail_not_answered", "Calls that got a retryable error", ["reason"])
VOIDS = Counter("keytrail_void_records", "Void records met while following the log", ["process"])
TAKEOVERS = Counter("keytrail_takeovers", "Terms of leadership begun by a writer")
RECORDS = Counter("keytrail_records", "Records that a leading writer appended to events and read back")
LEADER_AT = Gauge(
    "keytrail_leader_time_seconds", "When a leading writer was last at work", multiprocess_mode="mostrecent"
)
LAG = Gauge(
    "keytrail_projector_lag",
    "Records on a topic that the projector has not taken in",
    ["topic"],
    multiprocess_mode="mostrecent",
)
PROJECTED_AT = Gauge(
    "keytrail_projector_time_seconds",
    "When the projector last had written all that it had read before",
    multiprocess_mode="mostrecent",
)
DUE_SECONDS = Gauge(
    "keytrail_due_seconds",
    "For how long the deletion, expiry or rotation has been due that waits longest; 0 if none waits",
    multiprocess_mode="mostrecent",
)
ALERTS = Counter("keytrail_alerts", "Alerts by rule, and by severity or as suppressed", ["rule", "severity"])
NOTIFICATIONS = Counter("keytrail_notifications", "Messages to notifiers by what became of them", ["kind", "outcome"])
NOTIFIERS_STUCK = Gauge(
    "keytrail_notifiers_stuck", "Notifiers that take in, send or prove nothing", multiprocess_mode="mostrecent"
)
NOTIFIERS_LAG = Gauge(
    "keytrail_notifiers_lag",
    "Alerts that the notifier furthest behind has not taken in",
    multiprocess_mode="mostrecent",
)
DEVICE_RECORDS = Counter("keytrail_audit_device_records", "Records that an audit device has taken", ["device"])
DEVICE_FAILURES = Counter(
    "keytrail_audit_device_failures",
    "Attempts that an audit device refused, or after which its position could not be kept",
    ["device"],
)
DEVICE_REFUSED = Counter(
    "keytrail_audit_device_refused", "Records that a collector will take of no sender, and so has not", ["device"]
)
DEVICE_MISSED = Counter(
    "keytrail_audit_device_missed", "Records that Kafka removed before an audit device had confirmed them", ["device"]
)
DEVICE_LAG = Gauge(
    "keytrail_audit_device_lag",
    "Records that an audit device has not taken",
    ["device"],
    multiprocess_mode="mostrecent",
)
DEVICE_SECONDS = Gauge(
    "keytrail_audit_device_lag_seconds",
    "How old the newest record is that an audit device has taken, while others wait for it",
    ["device"],
    multiprocess_mode="mostrecent",
)
ALERTS_LAG = Gauge(
    "keytrail_alerts_lag", "Records on a topic that are not judged yet", ["topic"], multiprocess_mode="mostrecent"
)
ALERTS_AT = Gauge(
    "keytrail_alerts_time_seconds",
    "When an alert worker last learned how many records are not judged yet",
    multiprocess_mode="mostrecent",
)

SPANS_LOST = Counter("keytrail_spans_lost", "Spans that the collector of traces did not get")

LEAVES = Gauge("keytrail_notary_leaves", "Leaves of the published checkpoint", multiprocess_mode="mostrecent")
NOTARY_LAG = Gauge(
    "keytrail_notary_lag", "Records on a topic that are not leaves yet", ["topic"], multiprocess_mode="mostrecent"
)
NOTARY_AT = Gauge(
    "keytrail_notary_time_seconds",
    "When the notary last had made leaves of all that it had read before",
    multiprocess_mode="mostrecent",
)
NOTARY_SECONDS = Gauge(
    "keytrail_notary_seconds",
    "Seconds from the first record of the last batch to the checkpoint that has it",
    multiprocess_mode="mostrecent",
)
CHECKPOINT_AT = Gauge(
    "keytrail_checkpoint_time_seconds", "When the newest checkpoint was published", multiprocess_mode="mostrecent"
)
COSIGNED_LEAVES = Gauge(
    "keytrail_cosigned_leaves",
    "Leaves of the newest checkpoint with enough cosignatures",
    multiprocess_mode="mostrecent",
)
COSIGNED_AT = Gauge(
    "keytrail_cosigned_time_seconds",
    "When the newest checkpoint got enough cosignatures",
    multiprocess_mode="mostrecent",
)
WITNESSES = Gauge(
    "keytrail_witness_cosigns",
    "Whether a witness of the policy cosigned when it was asked last",
    ["witness"],
    multiprocess_mode="mostrecent",
)

WANTED = Gauge(
    "keytrail_wanted",
    "How many processes of a kind that may be left out an API worker's settings ask for",
    ["process"],
    multiprocess_mode="mostrecent",
)
STARTS = Counter("keytrail_process_starts", "Starts of a process by `keytrail up`", ["process"])
"""Prometheus sees no single process there, and what starts them all loads no library of metrics. So each process counts its own
start, and the file of one that has ended still counts. No row of MEASURED has it: elsewhere there is
`process_start_time_seconds`."""

OUTCOMES = ("dead", "delivered", "failed")
RECEIVERS = ("apprise", "webhook")
"""The values of the label `kind` of NOTIFICATIONS."""
FROM_ZERO: Mapping[str, Mapping[Counter, tuple[tuple[str, ...], ...]]] = {
    "api": {VOIDS: (("api",),)},
    "writer": {VOIDS: (("commands",), ("writer",))},
    "projector": {VOIDS: (("projector",),)},
    "alerts": {VOIDS: (("alerts",),)},
    "notifier": {NOTIFICATIONS: tuple(product(RECEIVERS, OUTCOMES))},
}
"""The labels that a kind of process counts under, as far as they are known before the first event. What is missing here: labels
of operations and the like, which only an API worker has (services/api/zero_metrics.py), the names of audit devices
(services/audit_devices/progress.py), and ALERTS, whose rules few processes load: an alarm on those has to see a series that is
new, too."""
MEASURED: Mapping[str, tuple[Collector, ...]] = {
    "api": (CALLS, LATENCY, UNAUTHENTICATED, NOT_ANSWERED, VOIDS, ALERTS, SPANS_LOST, WANTED),
    "writer": (RECORDS, TAKEOVERS, LEADER_AT, DUE_SECONDS, VOIDS, ALERTS, SPANS_LOST),
    "projector": (LAG, PROJECTED_AT, VOIDS, SPANS_LOST),
    "notary": (
        LEAVES,
        NOTARY_LAG,
        NOTARY_AT,
        NOTARY_SECONDS,
        CHECKPOINT_AT,
        COSIGNED_LEAVES,
        COSIGNED_AT,
        WITNESSES,
        ALERTS,
    ),
    "alerts": (ALERTS_LAG, ALERTS_AT, VOIDS, ALERTS, SPANS_LOST),
    "audit-devices": (DEVICE_RECORDS, DEVICE_FAILURES, DEVICE_REFUSED, DEVICE_MISSED, DEVICE_LAG, DEVICE_SECONDS),
    "notifier": (NOTIFICATIONS, NOTIFIERS_STUCK, NOTIFIERS_LAG, SPANS_LOST),
}
"""What each kind of process measures. A gauge without labels exists, at zero, wherever this file is loaded: from a process that
does not measure it, that zero would be a lie."""


def count_from_zero(process: str) -> None:
    """Make the series that a kind of process counts, in the process that answers for it. One that is born at 1 has not grown,
    and an alarm on its growth would miss the first event (Prometheus, instrumentation: avoid missing metrics)."""
    for counter, known in FROM_ZERO.get(process, {}).items():
        for labels in known:
            counter.labels(*labels)


class Tally:
    """Calls counted in plain dictionaries, and moved to the shared files once a second.

    A histogram in a shared file takes 10 us for each observation, a tenth of what a call may cost. A scrape is a second old at
    most.
    """

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str], int] = {}
        self._latencies: dict[str, list[float]] = {}

    def add(self, operation: str, effect: str, seconds: float) -> None:
        self._calls[operation, effect] = self._calls.get((operation, effect), 0) + 1
        self._latencies.setdefault(operation, []).append(seconds)

    def flush(self) -> None:
        calls, self._calls = self._calls, {}
        latencies, self._latencies = self._latencies, {}
        for labels, count in calls.items():
            CALLS.labels(*labels).inc(count)
        for operation, taken in latencies.items():
            _observe(LATENCY.labels(operation), taken)

    async def keep_flushing(self) -> None:
        while True:
            await asyncio.sleep(1)
            self.flush()


def _observe(histogram: Histogram, taken: list[float]) -> None:
    """What `observe` does to a histogram, for many values at once: each bucket counts only the values that fall into it."""
    counts = Counts(bisect_left(BUCKETS, seconds) for seconds in taken)
    for bucket, count in counts.items():
        histogram._buckets[bucket].inc(count)  # the library has no call for many values
    histogram._sum.inc(sum(taken))  # see above


def in_fork() -> None:
    """Give a fork files of its own. The library notices at the next count that it is in another process; until then the fork
    would be missing."""
    TAKEOVERS.inc(0)
    _count_start()


def _count_start() -> None:
    """As early as can be, since a process may end because its settings are wrong. Once, and not in what a process starts: a fork
    counts when it loads this file, and in `in_fork` if its server had loaded it before."""
    if name := os.environ.pop(CHILD, ""):
        STARTS.labels(name).inc()


TALLY = Tally()
FRESH_FOR = 1.0
"""Seconds between two moves of the counts into the files."""


class Scrapes:
    """The answer of /metrics, made at most once a second and beside the event loop: reading the files of all processes takes
    some 30 ms of processor time, and anybody may ask."""

    def __init__(self, made: Callable[[], bytes]) -> None:
        self._made = made
        self._text = b""
        self._at = float("-inf")
        self._making: asyncio.Task[bytes] | None = None

    async def text(self) -> bytes:
        if time.monotonic() - self._at < FRESH_FOR:
            return self._text
        if self._making is None:
            self._making = asyncio.create_task(asyncio.to_thread(self._made))
        try:
            # All callers who wait share one reading; a caller who goes away does not end it for the others.
            text = await asyncio.shield(self._making)
        finally:
            if self._making is not None and self._making.done():
                self._making = None
        self._text, self._at = text, time.monotonic()
        return text


def shares_metrics() -> bool:
    """Whether an API worker answers for this process too."""
    return "PROMETHEUS_MULTIPROC_DIR" in os.environ


def exposition(process: str) -> bytes:
    """The text format: of all processes if they share a folder, else of this one, which is of the kind `process`."""
    registry = CollectorRegistry()
    if shares_metrics():
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library leaves it untyped
    else:
        for each in (*MEASURED[process], PROCESS_COLLECTOR):
            registry.register(each)
    return generate_latest(registry)


_count_start()  # of a process that is no fork; the fork server has no name
