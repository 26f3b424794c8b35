"""The Helm chart has what services/arrangement.py says of every arrangement: processes, users, rights, topics, ports."""

from __future__ import annotations

import ast
import tomllib
from typing import Any

import yaml

from deploy.helm import facts
from services.adapters import topics
from services.arrangement import PROCESSES, REPLICAS
from services.cluster.preparation import wanted_grants
from services.settings import PREFIX, Settings
from tests.charts.rendering import CHART, golden
from tests.charts.test_golden import JOBS, image_user, pods
from tests.house.sources import nodes
from tests.house.test_house import NAMES, ROOT, SETTINGS

RUN = [each for each in PROCESSES if each.module != "services.cli"]


def environment(pod: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in pod["containers"][0]["env"]}


def test_the_facts_that_templates_read_are_in_step() -> None:
    assert facts.arrangement() == (CHART / "files" / "arrangement.json").read_text(), "make docs"
    assert facts.rules() == (CHART / "files" / "keytrail.rules.yaml").read_text(), "make docs"
    assert facts.schema() == (CHART / "values.schema.json").read_text(), "make docs"
    assert image_user() == facts.USER


def test_the_chart_is_of_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == chart["version"] == project["version"]


def test_the_chart_runs_each_process_as_its_own_user_of_kafka() -> None:
    found = {}
    for component, pod in pods("everything"):
        if component not in JOBS:
            found[pod["containers"][0]["args"][0]] = environment(pod)["KEYTRAIL_KAFKA_USERNAME"]
    assert found == {each.module: each.user for each in RUN}


def test_each_process_has_its_values() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    components = [each.module.removeprefix("services.").replace("_", "-") for each in RUN]
    assert list(values["networkPolicy"]["egress"]) == components
    keys = [first + "".join(each.title() for each in rest) for first, *rest in (each.split("-") for each in components)]
    assert all(values[key]["replicas"] >= 2 for key in keys), "each may be away"


def test_the_chart_names_settings_that_exist() -> None:
    for component, pod in pods("everything"):
        named = {name for name in environment(pod) if name.startswith(PREFIX)}
        assert named <= SETTINGS | NAMES, component
    assert {each.name for each in Settings.__dataclass_fields__.values()} >= (
        facts.BY_CHART | facts.ELSEWHERE | facts.NOT_OFFERED
    )


def test_the_users_of_strimzi_have_the_rights_of_their_processes() -> None:
    found = {
        (
            user["metadata"]["name"],
            acl["resource"]["type"],
            acl["resource"]["name"],
            acl["resource"]["patternType"] == "prefix",
            operation,
        )
        for user in golden("operators")
        if user["kind"] == "KafkaUser"
        for acl in user["spec"]["authorization"]["acls"]
        for operation in acl["operations"]
    }
    wanted = {
        (each.user, each.resource.lower(), each.name, each.begins, str(each.operation))
        for each in wanted_grants(Settings())
    }
    assert wanted == found


def test_the_topics_of_strimzi_are_those_that_topics_create_makes() -> None:
    found = {
        each["spec"]["topicName"]: (each["spec"]["partitions"], each["spec"]["replicas"], each["spec"]["config"])
        for each in golden("operators")
        if each["kind"] == "KafkaTopic"
    }
    wanted = {
        each.name: (each.num_partitions, each.replication_factor, each.topic_configs)
        for each in topics.wanted(Settings(), REPLICAS, flush=False)
    }
    assert wanted == found


def test_every_process_without_a_port_beats() -> None:
    """Its probe would kill it again and again."""
    for each in RUN:
        called = {
            node.func.id
            for node in nodes(ROOT / each.module.replace(".", "/") / "__main__.py")
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        for step in ("forget_former", "keep_beating"):
            assert (step in called) == (each.name != "api"), each.name
