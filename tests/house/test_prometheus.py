"""Alert rules and dashboard name metrics that exist, and each sign in docs/operations.md has its alert. promtool runs the rules in
tests/prometheus."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client import Gauge

from services.metrics import MEASURED
from tests.house.prometheus_names import GROUPED, SELECTED, faults_in, labels_kept
from tests.house.test_house import ROOT
from tests.house.test_names_in_documents import anchors

OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
DEPLOYED = ROOT / "deploy" / "prometheus" / "keytrail.rules.yaml"
EXAMPLES = ROOT / "tests" / "prometheus" / "keytrail.rules.test.yaml"
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in yaml.safe_load(DEPLOYED.read_text())["groups"] for rule in group["rules"]
}
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy" / "grafana" / "keytrail.json").read_text())
PANELS = [each for each in DASHBOARD["panels"] if each["type"] != "row"]
MOST_PANELS = 23
IN_LOGS_ALONE = {
    "commands were lost before they were read": "the callers have had their errors",
    "a process ends with code 78": "KeytrailProcessAway or KeytrailProcessRestarts",
    "The master key": "a process that cannot start: KeytrailProcessAway",
    "nothing on Kafka says that another one is at work": "the notifier that sends is away: KeytrailProcessAway",
}
"""Signs that no metric shows."""
ONLY_WHERE_WANTED = {"api", "notifier", "audit-devices"}
"""API workers, whose gauge is their settings'; and what runs only where a file names receivers or devices, which no other process
reads."""


def signs() -> Iterator[tuple[str, str]]:
    """(heading, sign): the first cell of each row and the bold words of each point, below "What an alarm means"."""
    part = OPERATIONS[OPERATIONS.index("## What an alarm means") :].partition("\n## ")[0]
    for section in part.split("\n### ")[1:]:
        heading, _, text = section.partition("\n")
        for row in re.findall(r"^\| (.+?) \|", text, re.MULTILINE):
            if row not in ("sign", "reason", "---"):
                yield heading, row
        for point in re.findall(r"^- \*\*(.+?)\*\*", text, re.MULTILINE | re.DOTALL):
            yield heading, " ".join(point.split())


def anchor_of(heading: str) -> str:
    (anchor,) = anchors(f"# {heading}\n")
    return f"docs/operations.md#{anchor}"


def shows(alert: dict[str, Any], sign: str) -> bool:
    """Whether the alert's expression has the sign's metric, reason, or rule."""
    named = re.findall(r"`(?:keytrail_(\w+)(?:\{[^}]*\})?|up|([a-z]+(?:-[a-z]+)*))`", sign)
    words = [f"keytrail_{metric}" if metric else f'"{word}"' for metric, word in named if metric or word]
    if "`up`" in sign:
        words.append("up{")
    if "`process_start_time_seconds`" in sign:
        words.append("process_start_time_seconds")
    return any(word in alert["expr"] for word in words)


SIGNS = list(signs())


def test_the_example_scrapes_every_process_of_compose() -> None:
    scraped = set(re.findall(r'"([-\w]+):9600"', OPERATIONS))
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert scraped == {
        name for name, each in services.items() if str((each.get("command") or [""])[0]).startswith("services.")
    }


def test_the_signs_are_found() -> None:
    assert len(SIGNS) > 20


@pytest.mark.parametrize(("heading", "sign"), SIGNS, ids=[each[:60] for _, each in SIGNS])
def test_each_sign_has_its_alert(heading: str, sign: str) -> None:
    found = [name for name, each in ALERTS.items() if shows(each, sign)]
    in_logs = [each for each in IN_LOGS_ALONE if each in sign]
    named = set(re.findall(r"Keytrail[A-Z]\w+", sign))
    assert bool(found) != bool(in_logs), found
    assert bool(in_logs) or (named and named <= set(found)), named
    assert all(ALERTS[name]["annotations"]["runbook_url"] == anchor_of(heading) for name in found), found


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_says_what_is_wrong_and_where_to_read_on(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert anchor in anchors((ROOT / page).read_text())
    found = [sign for heading, sign in SIGNS if shows(rule, sign)]
    assert found, "docs/operations.md says nothing of it"
    assert name in OPERATIONS, "nor does it name it"


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_names_metrics_and_labels_that_exist(name: str) -> None:
    rule = ALERTS[name]
    assert list(faults_in(rule["expr"])) == []
    shown = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
    assert shown <= labels_kept(rule["expr"])


def of_job(expression: str, job: str) -> bool:
    """Whether every series is of one job, and every group says which."""
    series = SELECTED.findall(GROUPED.sub("", expression))
    groups = GROUPED.findall(expression)
    together = len(re.findall(r"\b(?:sum|max|min|count|unless on)\b", expression))
    return (
        all(f'job="{job}"' in matchers.split(",") for _, matchers in series)
        and all(group.split(",")[0] == "job" for group in groups)
        and len(groups) == together
    )


@pytest.mark.parametrize("name", ALERTS)
def test_no_alert_takes_another_installation_for_this_one(name: str) -> None:
    """A writer of staging that led hid that none led in production."""
    assert of_job(ALERTS[name]["expr"], "keytrail")


def test_the_line_for_a_second_installation_makes_every_rule_one_of_it() -> None:
    (line,) = re.findall(r"^sed 's/job=.*$", OPERATIONS, re.MULTILINE)
    command = line.partition(" > ")[0].split()
    done = subprocess.run(
        [*(each.strip("'") for each in command)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    rules = [rule for group in yaml.safe_load(done.stdout)["groups"] for rule in group["rules"]]
    assert [each["alert"] for each in rules] == list(ALERTS)
    assert all(of_job(each["expr"], "keytrail-staging") for each in rules)


def test_an_alarm_on_a_gauge_has_one_for_when_nobody_measures_it() -> None:
    """A gauge stands still while its process waits, often at zero, and is not there at all where no process is scraped: the alarm on
    its value is silent in both."""
    expressions = [each["expr"] for each in ALERTS.values()]
    for process, measured in MEASURED.items():
        gauges = [each._name for each in measured if isinstance(each, Gauge)]
        alarmed = [name for name in gauges if any(re.search(rf"\b{name}\b.*[<>=] ", each) for each in expressions)]
        away = [
            name
            for name in gauges
            if any(re.search(rf"time\(\) - max.*\b{name}\b", each) and f"absent({name}" in each for each in expressions)
        ]
        assert bool(away) == (bool(alarmed) and process not in ONLY_WHERE_WANTED), process


def test_each_alert_has_an_example_that_fires_and_one_that_nearly_does() -> None:
    fires: set[str] = set()
    quiet: set[str] = set()
    for test in yaml.safe_load(EXAMPLES.read_text())["tests"]:
        for series in test["input_series"]:
            assert list(faults_in(series["series"])) == [], test["name"]
        for each in test["promql_expr_test"]:
            (name,) = re.findall(r'alertname="(\w+)"', each["expr"])
            (fires if each["exp_samples"] else quiet).add(name)
    assert fires == quiet == set(ALERTS)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_each_panel_names_metrics_and_labels_that_exist(panel: dict[str, Any]) -> None:
    assert panel["targets"]
    for target in panel["targets"]:
        assert list(faults_in(target["expr"])) == []
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= labels_kept(target["expr"])


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_each_panel_can_be_read(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"]
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert all(target["legendFormat"] for target in panel["targets"])
    assert all(each["datasource"]["uid"] == "${datasource}" for each in (panel, *panel["targets"]))


def test_the_dashboard_is_one_that_grafana_reads() -> None:
    """Grafana's documentation, "JSON model": a dashboard's members, a panel's place on a grid of 24 columns."""
    assert {
        "title",
        "uid",
        "tags",
        "time",
        "timepicker",
        "templating",
        "annotations",
        "refresh",
        "schemaVersion",
        "version",
    } <= set(DASHBOARD)
    (variable,) = DASHBOARD["templating"]["list"]
    assert (variable["name"], variable["type"], variable["query"]) == ("datasource", "datasource", "prometheus")
    assert len(PANELS) <= MOST_PANELS
    ids = [each["id"] for each in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for each in DASHBOARD["panels"]:
        place = each["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, each["title"]
        taken |= cells


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("sum(rate(keytrail_cals_total[5m]))", "keytrail_cals_total"),
        ('keytrail_not_answered_total{reasons="vault"}', "keytrail_not_answered_total: reasons"),
        ('keytrail_not_answered_total{reason="valut"}', "reason: valut"),
        ("sum by (topics) (keytrail_projector_lag)", "by topics"),
        ("time() > 5", "no metric: time() > 5"),
    ],
)
def test_what_does_not_exist_is_found(expression: str, fault: str) -> None:
    assert list(faults_in(expression)) == [fault]
