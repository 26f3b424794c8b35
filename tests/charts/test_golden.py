"""What the chart renders to: resources that Kubernetes takes, pods with few rights, and an environment that Keytrail can load.

These tests read the golden files. tests/charts/test_helm.py holds those to the templates, where Helm is there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from services.settings import Settings, load
from tests.charts.rendering import CHART, GOLDEN, KUBERNETES, NAMES, NAMESPACE, ROOT, VALUES, documented, golden, head

EVERY = pytest.mark.parametrize("name", NAMES)
OPERATORS = ("kafka.strimzi.io/", "monitoring.coreos.com/")
"""Resources of Strimzi and the Prometheus Operator, of which Kubernetes' own schemas know nothing."""

OWN_VOLUMES = {
    "notary": "/var/lib/keytrail/tree",
    "audit-devices": "/var/lib/keytrail/audit",
    "backup": "/var/lib/keytrail/backups",
}
JOBS = {"topics", "upgrade", "backup", "restore"}
"""What runs and ends."""


def templates(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The pods of a rendering by component, with their metadata."""
    for each in golden(name):
        spec = each.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template is not None:
            yield template["metadata"]["labels"]["app.kubernetes.io/component"], template


def pods(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The pods of a rendering by component, as their specs."""
    return ((component, template["spec"]) for component, template in templates(name))


def files(pod: dict[str, Any]) -> dict[str, str]:
    """The volume of each file that a pod's container finds, by path."""
    (container,) = pod["containers"]
    volumes = {each["name"]: each for each in pod["volumes"]}
    found = {}
    for mount in container["volumeMounts"]:
        volume = volumes[mount["name"]]
        sources = volume.get("projected", {}).get("sources", [volume])
        for source in sources:
            for item in (source.get("secret") or source.get("configMap") or {}).get("items", ()):
                found[f"{mount['mountPath']}/{item['path']}"] = mount["name"]
    return found


@EVERY
def test_a_golden_file_is_of_the_chart_as_it_is(name: str) -> None:
    with (GOLDEN / f"{name}.yaml").open() as file:
        assert file.readline() == head(name), "the chart or its values were changed: `make charts`"


@EVERY
@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_takes_every_resource(name: str, version: str) -> None:
    for each in golden(name):
        if not each["apiVersion"].startswith(OPERATORS):
            kubernetes_validate.validate(each, version, strict=True)


def test_the_oldest_kubernetes_is_the_one_that_the_chart_names() -> None:
    named = yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"]
    assert named == f">={KUBERNETES[0]}.0-0"


@EVERY
def test_a_pod_has_few_rights(name: str) -> None:
    """Kubernetes' Pod Security Standard "restricted", and a file system that only /tmp can be written to."""
    found = dict(pods(name))
    assert len(found) >= 5
    for component, pod in found.items():
        assert pod["automountServiceAccountToken"] is False, component
        assert pod["enableServiceLinks"] is False, "KEYTRAIL_PORT would be an address"
        for shared in ("hostNetwork", "hostPID", "hostIPC", "initContainers"):
            assert shared not in pod
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] == context["runAsGroup"] == context["fsGroup"] == image_user()
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        (container,) = pod["containers"]
        expected = {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["securityContext"] == expected
        assert {"requests", "limits"} == set(container["resources"])
        writable = {each["mountPath"] for each in container["volumeMounts"] if not each.get("readOnly")}
        assert writable <= {"/tmp", OWN_VOLUMES.get(component, "/tmp")}


def test_what_is_said_of_every_pod_reaches_the_jobs_too() -> None:
    """In the namespace of a mesh, an annotation keeps the proxy out of a Job: with one, it never ends, and nor does its hook."""
    said = yaml.safe_load((VALUES / "everything.yaml").read_text())["pods"]
    found = dict(templates("everything"))
    assert found.keys() >= {"topics", "upgrade", "backup", "api", "writer"}
    for component, pod in found.items():
        for name in ("annotations", "labels"):
            assert pod["metadata"][name].items() >= said[name].items(), component
        for name in ("nodeSelector", "tolerations", "priorityClassName"):
            assert pod["spec"][name] == said[name], component


def image_user() -> int:
    """The user by number, as the last line of the image that says so has it. Its name is its group's: services/ownership.py."""
    text = (ROOT / "Dockerfile").read_text()
    (user, group) = re.findall(r"^USER (\d+):(\d+)$", text, re.MULTILINE)[-1]
    assert user == group
    assert f"groupadd --gid {group} keytrail && useradd --uid {user} --gid {group}" in text
    return int(user)


@EVERY
def test_no_secret_stands_in_a_rendering_and_each_is_a_file_of_its_own_mode(name: str) -> None:
    assert "Secret" not in {each["kind"] for each in golden(name)}
    for component, pod in pods(name):
        (container,) = pod["containers"]
        for each in container["env"]:
            assert "secretKeyRef" not in each.get("valueFrom", {}), component
        for volume in pod["volumes"]:
            if volume["name"] == "secrets":
                assert volume["projected"]["defaultMode"] == 0o400


@EVERY
def test_a_process_can_load_its_environment(name: str, tmp_path: Path) -> None:
    """Every file that a setting names is mounted, and the settings fit each other."""
    for component, pod in pods(name):
        (container,) = pod["containers"]
        mounted = files(pod)
        environment = {}
        for each in container["env"]:
            value = each.get("value", "a-pod-0")
            if value.startswith("/etc/"):
                assert value in mounted, f"{component}: {each['name']}"
                secret = tmp_path / value.rpartition("/")[2]
                secret.write_text("postgresql://a-secret/\n")  # of all secrets, a DSN alone has a form
                secret.chmod(0o600)
                value = str(secret)
            environment[each["name"]] = value
        settings = load(environment)
        assert settings.kafka.count(":") == settings.kafka.count(",") + 1
        if component != "topics":
            assert settings.postgres == settings.root_secret_access_key == "postgresql://a-secret/"
            assert settings.master_key_path.exists()
        if component == "api":
            assert (settings.bind, settings.port, settings.tls) == ("0.0.0.0", Settings().port, True)


@EVERY
def test_probes_leave_time_and_do_not_kill_for_what_others_do(name: str) -> None:
    """A worker is not killed because Kafka is away: a new one would know as little."""
    for component, pod in pods(name):
        (container,) = pod["containers"]
        if component in JOBS:
            continue
        paths = {
            kind: container[f"{kind}Probe"].get("httpGet", {}).get("path")
            for kind in ("startup", "readiness", "liveness")
        }
        beats = {each["name"]: each.get("value") for each in container["env"]}.get("KEYTRAIL_HEARTBEAT_FILE")
        if component == "api":
            assert paths == {"startup": "/healthz", "readiness": "/healthz", "liveness": "/metrics"}
            assert beats is None
        else:
            assert set(paths.values()) == {None}
            assert beats is not None
            assert beats in " ".join(container["livenessProbe"]["exec"]["command"])


@EVERY
def test_one_pod_of_a_kind_may_be_away(name: str) -> None:
    budgets = {
        each["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"]: each["spec"]["maxUnavailable"]
        for each in golden(name)
        if each["kind"] == "PodDisruptionBudget"
    }
    assert budgets == {component: 1 for component, _ in pods(name) if component not in JOBS}


@EVERY
def test_pods_that_are_being_replaced_do_not_count_where_new_ones_go(name: str) -> None:
    """A Deployment's new pod stands beside the old ones until it is ready; a StatefulSet's takes the place of one that has gone.

    Source: Kubernetes, "Pod Topology Spread Constraints" (matchLabelKeys, on by default since 1.27).
    """
    for each in golden(name):
        if each["kind"] in ("Deployment", "StatefulSet"):
            spread = each["spec"]["template"]["spec"]["topologySpreadConstraints"]
            assert [only["topologyKey"] for only in spread] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
            expected = ["pod-template-hash"] if each["kind"] == "Deployment" else None
            assert [only.get("matchLabelKeys") for only in spread] == [expected] * 2, each["metadata"]["name"]


@EVERY
def test_only_the_api_is_called(name: str) -> None:
    policies = [each for each in golden(name) if each["kind"] == "NetworkPolicy"]
    called: dict[str, list[Any]] = {}
    for each in policies:
        component = each["spec"]["podSelector"]["matchLabels"].get("app.kubernetes.io/component", "")
        called.setdefault(component, []).extend(each["spec"].get("ingress", []))
    assert [rule["ports"] for rule in called.pop("api")] == [[{"protocol": "TCP", "port": Settings().port}]]
    metrics = [[{"protocol": "TCP", "port": 9600}]] if name == "everything" else []
    assert [rule["ports"] for rule in called.pop("")] == metrics
    assert not any(called.values())
    every = next(each for each in policies if each["metadata"]["name"] == "keytrail")
    assert every["spec"]["policyTypes"] == ["Ingress", "Egress"], "what no policy allows is refused, both ways"


def test_the_jobs_run_before_anything_of_the_new_version() -> None:
    """A process that finds a topic missing, which it may not make, refuses to start."""
    hooked = [each for each in golden("required") if "helm.sh/hook" in each["metadata"].get("annotations", {})]
    found = [(each["kind"], each["metadata"]["name"], each["metadata"]["annotations"]) for each in hooked]
    assert [(kind, name, said["helm.sh/hook-weight"], said["helm.sh/hook"]) for kind, name, said in found] == [
        ("NetworkPolicy", "keytrail-topics", "-10", "pre-install,pre-upgrade"),
        ("NetworkPolicy", "keytrail-upgrade", "-10", "pre-upgrade"),
        ("Job", "keytrail-topics", "0", "pre-install,pre-upgrade"),
        ("Job", "keytrail-upgrade", "10", "pre-upgrade"),
    ]
    commands = [
        each["spec"]["template"]["spec"]["containers"][0]["command"] for each in hooked if each["kind"] == "Job"
    ]
    assert commands == [["keytrail", "topics", "create", "--yes"], ["keytrail", "upgrade", "prepare"]]


@EVERY
def test_a_job_before_an_upgrade_reaches_what_the_new_values_say(name: str) -> None:
    """The policies of the release are still those of the former values then. An upgrade may correct just what these keep away."""
    found = golden(name)
    policies = {each["metadata"]["name"]: each for each in found if each["kind"] == "NetworkPolicy"}
    (dns, kafka, postgres) = policies["keytrail"]["spec"]["egress"]
    reached = {"topics": [dns, kafka], "upgrade": [dns, kafka, postgres]}
    for job in (each for each in found if each["kind"] == "Job"):
        hook = job["metadata"]["annotations"]["helm.sh/hook"]
        if "pre-" in hook:
            policy = policies[job["metadata"]["name"]]
            assert policy["metadata"]["annotations"]["helm.sh/hook"] == hook
            labels = job["spec"]["template"]["metadata"]["labels"]
            assert labels.items() >= policy["spec"]["podSelector"]["matchLabels"].items()
            assert policy["spec"]["egress"] == reached[labels["app.kubernetes.io/component"]]


def test_nothing_runs_beside_a_restore() -> None:
    """Processes would fill the servers, which have to be empty; and the restore waits for the topics."""
    found = golden("restored")
    replicas = {
        each["metadata"]["name"]: each["spec"]["replicas"] for each in found if "replicas" in each.get("spec", {})
    }
    assert len(replicas) == 5
    assert set(replicas.values()) == {0}
    (suspended,) = (each["spec"]["suspend"] for each in found if each["kind"] == "CronJob")
    assert suspended is True
    hooked = {each["metadata"]["name"] for each in found if "helm.sh/hook" in each["metadata"].get("annotations", {})}
    assert hooked == {"keytrail-topics", "keytrail-restore"}, "before it there is no log, of which to make a snapshot"
    (restore,) = (each for each in found if each["metadata"]["name"] == "keytrail-restore")
    assert restore["metadata"]["annotations"]["helm.sh/hook"] == "post-install,post-upgrade"
    pod = dict(pods("restored"))["restore"]
    assert {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}[
        "KEYTRAIL_KAFKA_USERNAME"
    ] == "admin"
    (kept,) = (each["spec"]["suspend"] for each in golden("everything") if each["kind"] == "CronJob")
    assert kept is False


def test_who_rotates_the_logs_key_elsewhere_may_ask_for_it() -> None:
    """`keytrail log rotate-key` reads the new key where the notary does, and has the writer record it, which the notary may not."""
    found = {component: {each["name"] for each in pod["containers"][0]["env"]} for component, pod in pods("everything")}
    having = {component for component, names in found.items() if "KEYTRAIL_TREE_KEY_ACCESS_KEY_ID" in names}
    assert having == {"api", "notary"}


def test_writers_may_stay_behind_in_an_upgrade() -> None:
    images = {component: pod["containers"][0]["image"] for component, pod in pods("everything")}
    assert images.pop("writer") == "registry.example.com/keytrail:0.0.9"
    assert len(set(images.values())) == 1


def test_prometheus_finds_every_pod_and_the_rules() -> None:
    (monitor,) = (each["spec"] for each in golden("everything") if each["kind"] == "PodMonitor")
    (endpoint,) = monitor["podMetricsEndpoints"]
    for component, pod in pods("everything"):
        ports = {each["name"]: each["containerPort"] for each in pod["containers"][0].get("ports", ())}
        given = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
        assert (endpoint["port"] in ports) == (component not in JOBS)
        if component not in JOBS:
            assert given["KEYTRAIL_METRICS_PORT"] == str(ports[endpoint["port"]])
    (rules,) = (each["spec"] for each in golden("everything") if each["kind"] == "PrometheusRule")
    text = (ROOT / "deploy" / "prometheus" / "keytrail.rules.yaml").read_text()
    runbooks = "https://git.example.com/keytrail/blob/main/docs/"
    wanted = yaml.safe_load(text.replace("runbook_url: docs/", f"runbook_url: {runbooks}"))
    for rule in (each for group in wanted["groups"] for each in group["rules"]):
        # of this namespace alone: every installation of a cluster has the same job
        rule["expr"] = rule["expr"].replace('job="keytrail"', f'job="keytrail",namespace="{NAMESPACE}"')
        rule["labels"]["namespace"] = NAMESPACE
    assert rules == wanted


def test_a_topic_outlives_the_installation() -> None:
    """Strimzi would delete the log with its KafkaTopic."""
    topics = [each for each in golden("operators") if each["kind"] == "KafkaTopic"]
    assert len(topics) == 5
    assert {each["metadata"]["annotations"]["helm.sh/resource-policy"] for each in topics} == {"keep"}


SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def faults(values: dict[str, Any]) -> list[str]:
    return [each.message for each in jsonschema.Draft7Validator(SCHEMA).iter_errors(values)]


@EVERY
def test_the_schema_takes_the_values(name: str) -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert faults(yaml.safe_load((VALUES / f"{name}.yaml").read_text())) == []
    assert faults(yaml.safe_load((CHART / "values.yaml").read_text())) == []


@pytest.mark.parametrize(("page", "begins"), [("operations.md", "# mine.yaml"), ("howto/sign-in.md", "oidc:")])
def test_the_schema_takes_what_documents_show(page: str, begins: str) -> None:
    assert faults(documented(page, begins)) == []


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("apis", {}, "'apis' was unexpected"),
        ("api.replica", 3, "'replica' was unexpected"),
        ("settings.KEYTRAIL_REGOIN", "eu-central-1", "'KEYTRAIL_REGOIN' was unexpected"),
        ("settings.KEYTRAIL_KAFKA", "kafka:9092", "'KEYTRAIL_KAFKA' was unexpected"),
        ("settings.KEYTRAIL_ROOT_SECRET_ACCESS_KEY", "secret", "'KEYTRAIL_ROOT_SECRET_ACCESS_KEY' was unexpected"),
        ("settings.KEYTRAIL_ACCOUNT_ID", 111122223333, "is not of type 'string'"),
        ("kafka.security", "SASL", "is not one of"),
        ("kafka.bootstrap", "kafka-1,kafka-2", "does not match"),
        ("rootUser.accessKeyId", "AKIASHORT", "does not match"),
        ("image.digest", "latest", "does not match"),
        ("networkPolicy.egress.alertWorker", [], "'alertWorker' was unexpected"),
        ("oidc.addresses", ["10.96.0.1"], "does not match"),
        ("pods.whenUnsatisfiable", "Never", "is not one of"),
    ],
)
def test_a_misspelt_value_is_refused(path: str, value: Any, told: str) -> None:
    values = deepcopy(yaml.safe_load((VALUES / "required.yaml").read_text()))
    *parents, last = path.split(".")
    at = values
    for each in parents:
        at = at.setdefault(each, {})
    at[last] = value
    (found,) = faults(values)
    assert told in found


def test_every_value_of_the_chart_is_in_the_schema_and_the_other_way_round() -> None:
    def names(schema: dict[str, Any], before: str = "") -> set[str]:
        found = set()
        for name, inner in schema.get("properties", {}).items():
            path = f"{before}{name}"
            found |= names(inner, f"{path}.") if inner.get("properties") else {path}
        return found

    def given(values: dict[str, Any], before: str = "") -> set[str]:
        found = set()
        for name, inner in values.items():
            path = f"{before}{name}"
            found |= given(inner, f"{path}.") if isinstance(inner, dict) and inner and path not in whole else {path}
        return found

    whole = names(SCHEMA)
    settings = {each for each in whole if each.startswith("settings.")}
    assert settings
    expected = (whole - settings - {"global"}) | {"settings"}
    assert given(yaml.safe_load((CHART / "values.yaml").read_text())) == expected
