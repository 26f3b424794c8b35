"""Helm itself, on the chart: it finds no fault, renders the golden files, and says what is wrong with values."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.charts import rendering
from tests.charts.rendering import CHART, GOLDEN, HELM, KUBERNETES, NAMES, VALUES, build, documented, helm, rendered

pytestmark = pytest.mark.timeout(900)  # the first time on a machine, its modules are fetched and compiled
REQUIRED = VALUES / "required.yaml"


@pytest.fixture(scope="module", autouse=True)
def there(soak: bool) -> None:
    if HELM.exists() and HELM.stat().st_mtime >= (rendering.HERE / "go.sum").stat().st_mtime:
        return
    if not soak:
        pytest.skip("Helm was not built yet: `make charts` does")
    try:
        build()
    except (FileNotFoundError, subprocess.CalledProcessError) as fault:
        pytest.fail(f"Helm cannot be built: {fault}")


@pytest.mark.parametrize("name", NAMES)
def test_helm_finds_no_fault(name: str) -> None:
    version = f"{KUBERNETES[1]}.0"
    done = helm("lint", CHART, "--strict", "--quiet", "--kube-version", version, "--values", VALUES / f"{name}.yaml")
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name", NAMES)
def test_it_renders_the_golden_files(name: str) -> None:
    done = rendered(VALUES / f"{name}.yaml")
    assert done.stderr == ""
    golden = (GOLDEN / f"{name}.yaml").read_text()
    assert golden.partition("\n")[2] == done.stdout, "`make charts`, and look at what changes"


def test_it_renders_what_documents_show(tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text(
        yaml.safe_dump(documented("operations.md", "# mine.yaml") | documented("howto/sign-in.md", "oidc:"))
    )
    done = rendered(path)
    assert done.returncode == 0, done.stderr
    assert "system:service-account-issuer-discovery" in done.stdout


def refusal(tmp_path: Path, values: dict[str, Any]) -> str:
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump(values))
    done = rendered(path)
    assert done.returncode == 1
    return done.stderr


def changed(**values: Any) -> dict[str, Any]:
    """The required values, with some of them replaced; None: left out."""
    found: dict[str, Any] = yaml.safe_load(REQUIRED.read_text()) | values
    return {name: value for name, value in found.items() if value is not None}


@pytest.mark.parametrize(
    ("without", "told"),
    [
        ("image", "image.repository: name the image"),
        ("masterKey", "masterKey.secretName: name the Secret"),
        ("rootUser", "rootUser.accessKeyId: "),
        ("kafka", "kafka.bootstrap: name the brokers"),
        ("postgres", "postgres.dsn.secretName: name the Secret"),
        ("transparencyLog", "transparencyLog.bucket or transparencyLog.existingClaim: name where"),
        ("api", "api.tls.secretName: name the Secret"),
    ],
)
def test_it_says_which_value_is_missing(tmp_path: Path, without: str, told: str) -> None:
    assert told in refusal(tmp_path, changed(**{without: None}))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"replicas": 3}, "'replicas' not allowed"),
        ({"writer": {"replica": 3}}, "'replica' not allowed"),
        ({"settings": {"KEYTRAIL_REGOIN": "eu-central-1"}}, "'KEYTRAIL_REGOIN' not allowed"),
        ({"settings": {"KEYTRAIL_ACCOUNT_ID": 111122223333}}, "got number, want string"),
    ],
)
def test_a_misspelt_value_is_refused_by_its_name(tmp_path: Path, values: dict[str, Any], told: str) -> None:
    assert told in refusal(tmp_path, changed(**values))


@pytest.mark.parametrize(
    ("kafka", "kinds"),
    [
        ({"strimzi": {"cluster": "log", "resources": False}, "createTopics": {"enabled": False}}, set()),
        ({"bootstrap": "kafka:9092", "security": "PLAINTEXT"}, {"Job"}),
    ],
    ids=["topics-by-somebody-else", "no-users"],
)
def test_topics_may_be_made_otherwise(tmp_path: Path, kafka: dict[str, Any], kinds: set[str]) -> None:
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump(changed(kafka=kafka, upgrade={"prepare": False})))
    done = rendered(path)
    assert done.returncode == 0, done.stderr
    found = {each["kind"] for each in yaml.safe_load_all(done.stdout)}
    assert found & {"Job", "KafkaTopic", "KafkaUser"} == kinds
    assert ("KAFKA_PASSWORD" in done.stdout) == ("strimzi" in kafka)


def test_brokers_without_passwords_ask_nobody_who_they_are(tmp_path: Path) -> None:
    """With SSL alone, brokers that want a client certificate let nobody in."""
    told = refusal(tmp_path, changed(kafka={"bootstrap": "kafka:9093", "createTopics": {"enabled": False}}))
    assert "kafka.passwords.secretName: name the Secret" in told
    assert "The chart has no client certificates." in told


def test_users_of_another_mechanism_are_not_made(tmp_path: Path) -> None:
    values = changed()
    values["kafka"] |= {"mechanism": "PLAIN"}
    values["kafka"]["createTopics"] |= {"users": True}
    assert "kafka.createTopics.users makes users for SCRAM-SHA-512 alone" in refusal(tmp_path, values)


@pytest.mark.parametrize("own", [False, True], ids=["image", "writer"])
def test_a_tag_beside_a_digest_is_refused(tmp_path: Path, *, own: bool) -> None:
    """The digest would win: an upgrade to another tag would change nothing."""
    both = {"tag": "0.3.0", "digest": f"sha256:{'1' * 64}"}
    values = changed(writer={"image": both}) if own else changed()
    values["image"] |= {} if own else both
    assert "name a tag or a digest of each, not both" in refusal(tmp_path, values)


def test_a_proxy_may_speak_tls_for_the_api(tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump(changed(api={"tls": {"enabled": False}}, networkPolicy={"enabled": False})))
    done = rendered(path)
    assert done.returncode == 0, done.stderr
    assert "KEYTRAIL_TLS" not in done.stdout
    assert "scheme: HTTPS" not in done.stdout
    assert "NetworkPolicy" not in done.stdout


def test_without_a_transparency_log_there_is_no_notary(tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump(changed(transparencyLog={"enabled": False})))
    done = rendered(path)
    assert done.returncode == 0, done.stderr
    assert "services.notary" not in done.stdout
    assert done.stdout.count('{name: KEYTRAIL_NOTARIES, value: "0"}') == 5, (
        "API, writer, projector, alert worker, and the Job"
    )
