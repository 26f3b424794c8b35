"""/metrics and /healthz need no signature, cover all processes, and name no principal or key."""

from __future__ import annotations

import ast
import re
import urllib.request
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

from services import metrics
from services.adapters.alerts_file import APPRISE, WEBHOOK
from services.api import zero_metrics
from services.metrics import BUCKETS, LATENCY, Tally
from tests.installation import Installation, eventually


def exposed(installation: Installation) -> str:
    with urllib.request.urlopen(f"{installation.url}/metrics", timeout=10) as answer:
        return str(answer.read(), "utf-8")


def counted(text: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found.group(1)) if found else 0.0


def test_calls_are_counted_by_operation_and_effect_over_all_workers(installation: Installation) -> None:
    # an operation that no other test of this folder calls: counts are handed over once a second
    name = 'keytrail_calls_total{effect="allowed",operation="ListRetirableGrants"}'
    before = counted(exposed(installation), name)
    client = installation.client()
    for _ in range(20):
        client.list_retirable_grants(RetiringPrincipal="arn:aws:iam::111122223333:root")
    # Each worker's text is at most a second old: look at the worker that had the calls, not at the next one. It hands over how many
    # calls there were and how long they took one after the other.
    took = 'keytrail_call_seconds_count{operation="ListRetirableGrants"}'

    def both() -> str | None:
        found = exposed(installation)
        return found if counted(found, name) == before + 20 and counted(found, took) >= 20 else None

    text = eventually(both)
    assert "keytrail_takeovers_total" in text
    assert "keytrail_projector_lag" in text


def test_no_label_holds_what_a_caller_chose(installation: Installation) -> None:
    client = installation.client()
    key = client.create_key()["KeyMetadata"]
    client.encrypt(KeyId=key["KeyId"], Plaintext=b"x")
    text = exposed(installation)
    for word in (key["KeyId"], "111122223333", installation.credentials()["AWS_ACCESS_KEY_ID"], "arn:aws"):
        assert word not in text


def test_a_tally_fills_the_histogram_as_observations_would() -> None:
    tally = Tally()
    taken = [0.0, 0.0005, 0.0006, 0.1, 17.0]
    for seconds in taken:
        tally.add("Tested", "allowed", seconds)
    tally.flush()
    (family,) = LATENCY.collect()
    mine = {
        sample.labels.get("le"): sample.value for sample in family.samples if sample.labels.get("operation") == "Tested"
    }
    for bound in BUCKETS:
        assert mine[str(bound)] == sum(seconds <= bound for seconds in taken), bound
    assert mine["+Inf"] == len(taken)


EXPECTED = (
    'keytrail_calls_total{effect="refused",operation="ScheduleKeyDeletion"}',
    'keytrail_calls_total{effect="failed",operation="none"}',
    'keytrail_call_seconds_count{operation="ReEncrypt"}',
    'keytrail_unauthenticated_total{reason="mismatch"}',
    'keytrail_not_answered_total{reason="vault"}',
    'keytrail_void_records_total{process="writer"}',
    'keytrail_alerts_total{rule="key-policy-public",severity="critical"}',
    'keytrail_notifications_total{kind="webhook",outcome="dead"}',
    "keytrail_takeovers_total",
    'keytrail_wanted{process="notary"}',
)


def test_a_metric_is_there_before_its_first_event(installation: Installation) -> None:
    """An alarm would miss the first occurrence of a counter that did not exist before."""
    text = exposed(installation)
    assert [name for name in EXPECTED if not re.search(rf"^{re.escape(name)} ", text, re.MULTILINE)] == []


def test_a_process_measures_what_its_own_code_does() -> None:
    """From a process that does not measure a gauge, its zero would be a lie; what is not in the table is never told."""
    shared = {
        metrics.ALERTS,
        metrics.VOIDS,
        metrics.UNAUTHENTICATED,
        metrics.SPANS_LOST,
    }  # also measured in code that several kinds of process load
    packages = {
        "api": ("api", "kms_api", "audit_api"),
        "alerts": ("alert_worker",),
        "audit-devices": ("audit_devices",),
    }
    for process, measured in metrics.MEASURED.items():
        found = set()
        for package in packages.get(process, (process,)):
            for path in (Path(__file__).parents[2] / "services" / package).rglob("*.py"):
                for node in ast.walk(ast.parse(path.read_text())):
                    if isinstance(node, ast.ImportFrom) and node.module == "services.metrics":
                        found |= {getattr(metrics, each.name) for each in node.names}
        own = {each for each in found if isinstance(each, MetricWrapperBase)}
        assert own - shared == set(measured) - shared - (
            {metrics.CALLS, metrics.LATENCY} if process == "api" else set()
        )
        assert own <= set(measured), process


def test_every_label_that_is_counted_is_made_before() -> None:
    """Every label value that the code counts under, found in the code itself."""
    made = {
        metric: {labels[-1] for known in metrics.FROM_ZERO.values() for labels in known.get(metric, ())}
        for metric in (metrics.VOIDS, metrics.NOTIFICATIONS)
    }
    tables = {
        "NOT_ANSWERED": set(zero_metrics.NOT_ANSWERED),
        "VOIDS": made[metrics.VOIDS],
        "NOTIFICATIONS": made[metrics.NOTIFICATIONS],
    }
    found: dict[str, set[str]] = {name: set() for name in tables}
    for path in (Path(__file__).parents[2] / "services").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "labels":
                metric = ast.unparse(node.func.value).rpartition(".")[2]
                if metric in found:
                    found[metric] |= {str(each.value) for each in node.args if isinstance(each, ast.Constant)}
    assert found == tables
    assert set(metrics.RECEIVERS) == {WEBHOOK, APPRISE}
