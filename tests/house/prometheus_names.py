"""What an expression for Prometheus names, held to the metrics and labels that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain

from prometheus_client.metrics import MetricWrapperBase

from domain.alerts.rules.table import RULES
from services.api import zero_metrics
from services.metrics import MEASURED, OUTCOMES, RECEIVERS, STARTS

TARGET = frozenset({"job", "instance"})
"""The labels that Prometheus gives to everything it scrapes."""
OF_EVERY_PROCESS = ("up", "process_start_time_seconds", "process_resident_memory_bytes", "process_cpu_seconds_total")
"""What Prometheus itself, and its library, say of each process."""
VALUES: Mapping[str, frozenset[str]] = {
    "reason": frozenset(zero_metrics.NOT_ANSWERED),
    "effect": frozenset(zero_metrics.EFFECTS),
    "outcome": frozenset(OUTCOMES),
    "kind": frozenset(RECEIVERS),
    "rule": frozenset(RULES),
    "job": frozenset({"keytrail", "keytrail-staging"}),
}
"""The values of labels that have few."""
SELECTED = re.compile(r"\b((?:keytrail|process)_\w+|up)\b(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)(=~|!~|=|!=)"([^"]*)"')
GROUPED = re.compile(r"\b(?:by|on)\s*\(([^)]*)\)")
GRAFANA = re.compile(r"\$__\w+|\$\w+")


def metrics() -> dict[str, frozenset[str]]:
    """The labels of each series, by its name in the text format."""
    found = dict.fromkeys(OF_EVERY_PROCESS, TARGET)
    for each in {STARTS, *chain.from_iterable(MEASURED.values())}:
        assert isinstance(each, MetricWrapperBase)
        labels = TARGET | set(each._labelnames)
        match each._type:
            case "counter":
                found[f"{each._name}_total"] = labels
            case "histogram":
                found |= {f"{each._name}_count": labels, f"{each._name}_sum": labels}
                found[f"{each._name}_bucket"] = labels | {"le"}
            case _:
                found[each._name] = labels
    return found


def labels_kept(expression: str) -> frozenset[str]:
    """The labels that the result of an expression has: what it groups by, or everything if it does not aggregate."""
    grouped = GROUPED.findall(expression)
    if grouped:
        return frozenset(name.strip() for each in grouped for name in each.split(",") if name.strip())
    if re.search(r"\b(?:sum|max|min|count)\b", expression):
        return frozenset()
    return frozenset().union(*(metrics().get(name, frozenset()) for name, _ in SELECTED.findall(_bare(expression))))


def faults_in(expression: str) -> Iterator[str]:
    """Metrics, labels and values in the expression that do not exist. Nothing is found in one that names no metric, which is a
    fault too."""
    known, expression = metrics(), _bare(expression)
    selected = SELECTED.findall(GROUPED.sub("", expression))
    if not selected:
        yield f"no metric: {expression}"
    there: set[str] = set()
    for name, matchers in selected:
        if name not in known:
            yield name
            continue
        there |= known[name]
        for label, _, value in MATCHER.findall(matchers):
            if label not in known[name]:
                yield f"{name}: {label}"
            elif label in VALUES and not set(value.split("|")) <= VALUES[label]:
                yield f"{label}: {value}"
    for group in GROUPED.findall(expression):
        yield from (f"by {each.strip()}" for each in group.split(",") if each.strip() and each.strip() not in there)


def _bare(expression: str) -> str:
    return GRAFANA.sub("1m", expression)
