"""Metrics for Prometheus. No label holds a principal, a key or anything else that a caller chooses.

Every process of an installation writes into one folder (PROMETHEUS_MULTIPROC_DIR, set by the supervisor), so that any
API worker's /metrics answers for all of them.
"""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

CALLS = Counter("keytrail_calls", "Calls by operation and effect", ["operation", "effect"])
LATENCY = Histogram(
    "keytrail_call_seconds",
    "Time from the request's last byte to its answer",
    ["operation"],
    buckets=(0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 1, 4, 16),
)
UNAUTHENTICATED = Counter("keytrail_unauthenticated", "Requests refused before a caller was known", ["reason"])
NOT_ANSWERED = Counter("keytrail_not_answered", "Calls that got a retryable error", ["reason"])
VOIDS = Counter("keytrail_void_records", "Void records met while following the log", ["process"])
TAKEOVERS = Counter("keytrail_takeovers", "Terms of leadership begun by a writer")
POSITION = Gauge("keytrail_position", "Last valid record folded", ["process"], multiprocess_mode="max")
LAG = Gauge(
    "keytrail_projector_lag",
    "Records on a topic that the projector has not taken in",
    ["topic"],
    multiprocess_mode="mostrecent",
)


def exposition() -> bytes:
    """The text format, over all processes where they share a folder."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library leaves it untyped
        return generate_latest(registry)
    return generate_latest()
