"""The containers of a rendering, run as Kubernetes would run them: they find their secrets, write nowhere but to /tmp, and are alive
by their probes."""

from __future__ import annotations

import re
import secrets
import ssl
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from tests import certificates, servers
from tests.charts.pods import LocalPod, can_run, relayed
from tests.charts.rendering import ROOT
from tests.charts.test_golden import pods
from tests.installation import Installation, eventually, free_port

pytestmark = pytest.mark.skipif(not can_run(), reason="only root can make a container's root folder")
EVERYTHING = dict(pods("everything"))
PODS: dict[str, dict[str, Any]] = dict(pods("required")) | {
    each: EVERYTHING[each] for each in ("notifier", "audit-devices", "backup")
}
PODS["restore"] = dict(pods("restored"))["restore"]
DEVICES = '[[file]]\nname = "archive"\npath = "/var/lib/keytrail/audit/decisions.jsonl"\n'
ALERTS = '[[webhook]]\nname = "siem"\nurl = "http://127.0.0.1:9/"\nsecret_file = "/etc/keytrail/secrets/alerts/siem.secret"\n'
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
Run = Callable[..., LocalPod]
"""Of the name of a component and, for servers that are not the installation's, their settings."""


@pytest.fixture
def run(installation: Installation, tmp_path: Path) -> Iterator[Run]:
    """Makes the pod of a component, on the installation's broker and database."""
    settings = installation.settings
    root = installation.credentials()
    certificate, key = certificates.make(tmp_path)
    contents = {
        "master.key": settings.master_key_path.read_text(),
        "root.secret": root["AWS_SECRET_ACCESS_KEY"],
        "kafka.password": settings.kafka_password,
        "tls.crt": certificate.read_text(),
        "tls.key": key.read_text(),
        "alerts.toml": ALERTS,
        "siem.secret": secrets.token_hex(),
        "services.toml": "",
        "devices.toml": DEVICES,
        "siem-ca.crt": certificate.read_text(),
        "traces.headers": "api-key = a secret\n",
        "traces-ca.crt": certificate.read_text(),
    }

    ports: dict[str, int] = {}

    def relayed_dsn(postgres: str) -> str:
        """What a pod's user may reach: the servers of the tests listen on a Unix socket of ours alone."""
        folder = postgres.rpartition("host=")[2]
        if folder not in ports:
            (address,) = Path(folder).glob(".s.PGSQL.*[0-9]")
            ports[folder] = relays.enter_context(relayed(str(address)))
        return postgres.replace("@/", f"@127.0.0.1:{ports[folder]}/").partition("?")[0]

    def made(component: str, others: Mapping[str, str] = MappingProxyType({})) -> LocalPod:
        pod = PODS[component]
        given = {
            "KEYTRAIL_KAFKA": settings.kafka,
            "KEYTRAIL_KAFKA_SECURITY": settings.kafka_security,
            "KEYTRAIL_KAFKA_SASL_MECHANISM": settings.kafka_sasl_mechanism,
            "KEYTRAIL_KAFKA_USERNAME": settings.kafka_username,
            "KEYTRAIL_TOPIC_PREFIX": settings.topic_prefix,
            "KEYTRAIL_ROOT_ACCESS_KEY_ID": root["AWS_ACCESS_KEY_ID"],
            "KEYTRAIL_PORT": str(free_port()),
            # The test's broker speaks no TLS, and its database neither.
            "KEYTRAIL_KAFKA_CA": "",
            "KEYTRAIL_POSTGRES_CA": "",
        } | dict(others)
        dsn = {"postgres": relayed_dsn(others.get("KEYTRAIL_POSTGRES", settings.postgres))}
        no_tls = dict.fromkeys(("kafka-ca.crt", "postgres-ca.crt"), "")
        return LocalPod(tmp_path / component, pod, contents | dsn | no_tls, given)

    with ExitStack() as relays:
        yield made


COSTLY = pytest.mark.soak


@pytest.mark.parametrize(
    "component",
    [
        "writer",
        *(
            pytest.param(each, marks=COSTLY)
            for each in ("projector", "alert-worker", "notifier", "audit-devices", "notary")
        ),
    ],
)
def test_a_process_is_alive_by_its_probes(component: str, run: Run) -> None:
    with run(component) as pod:
        probes = [pod.container[f"{each}Probe"]["exec"]["command"] for each in ("startup", "readiness", "liveness")]
        assert pod.execute(probes[0]) != 0, "it has not begun"
        eventually(lambda: not pod.runs() or pod.execute(probes[0]) == 0)
        eventually(lambda: not pod.runs() or pod.execute(probes[1]) == 0)  # a writer has read the log by then
        assert [pod.execute(each) for each in probes] == [0, 0, 0], pod.log
        assert pod.execute(["touch", "/keytrail/written"]) != 0
        assert pod.execute(["touch", "/etc/keytrail/secrets/written"]) != 0


@COSTLY
def test_audit_devices_write_to_their_volume(run: Run, tmp_path: Path) -> None:
    """A claim's folder, as the kubelet gives it to a process that is not root."""
    with run("audit-devices") as pod:
        file = tmp_path / "audit" / "decisions.jsonl"
        eventually(lambda: not pod.runs() or (file.exists() and file.stat().st_size))
        assert pod.runs(), pod.log
        assert file.stat().st_size, pod.log


@COSTLY
def test_the_api_answers_by_its_probes(run: Run) -> None:
    with run("api") as pod:
        trusted = ssl._create_unverified_context()

        def answers(probe: str) -> bool:
            path = pod.container[f"{probe}Probe"]["httpGet"]["path"]
            try:
                url = f"https://127.0.0.1:{pod.environment['KEYTRAIL_PORT']}{path}"
                with urllib.request.urlopen(url, timeout=3, context=trusted) as answer:
                    return bool(answer.status == 200)
            except OSError:
                return False

        eventually(lambda: not pod.runs() or answers("startup"))
        assert answers("readiness"), pod.log
        assert answers("liveness")
        # docs/operations.md: the command line, and a rotation before the pod has both keys.
        assert pod.execute(["keytrail", "verify", "--topics-only"]) == 0
        command = re.search(r"-- sh -c '(cd /etc/keytrail/secrets .*? rotate)'", OPERATIONS, re.DOTALL)
        assert command is not None
        assert pod.execute(["sh", "-c", command[1]]) != 0
        assert pod.execute(["test", "-e", "/tmp/master.key"]) != 0


@COSTLY
def test_the_job_checks_the_topics(run: Run) -> None:
    with run("topics") as pod:
        assert pod.ended(30) == 0, pod.log
        assert "The topics are as Keytrail needs them." in pod.log


@COSTLY
def test_the_job_of_an_upgrade_makes_a_snapshot(run: Run) -> None:
    with run("upgrade") as pod:
        assert pod.ended(60) == 0, pod.log
        assert "prepared: a snapshot at position" in pod.log


@COSTLY
def test_a_backup_is_taken_and_comes_back_on_empty_servers(
    run: Run, installation: Installation, tmp_path: Path
) -> None:
    """Nothing else of a pod can be written to, and a log does not fit into its memory. Older files go."""
    key = installation.client().create_key(Description="kept")["KeyMetadata"]["KeyId"]
    backups = tmp_path / "backups"
    backups.mkdir()
    older = [backups / f"keytrail-2026112{day}T031700Z.backup" for day in range(3)]
    for each in older:
        each.touch()
    with run("backup") as pod:
        assert pod.ended(60) == 0, pod.log
    before, taken = sorted(backups.iterdir())
    assert before == older[-1], "two are kept"
    taken.rename(backups / PODS["restore"]["containers"][0]["command"][2].rpartition("/")[2])
    with closing(servers.Share(servers.place())) as share:
        with run("upgrade", share.settings) as pod:  # of a release whose first start failed
            assert pod.ended(60) == 0, pod.log
            assert "There is no log yet" in pod.log
        with run("restore", share.settings) as pod:
            assert pod.ended(120) == 0, pod.log
            assert "restored" in pod.log
        found = Installation(tmp_path / "data", own="those of the share", variables=share.settings)
        (tmp_path / "data").mkdir(mode=0o700)
        (tmp_path / "data" / "master.key").write_text(installation.settings.master_key_path.read_text())
        (tmp_path / "data" / "master.key").chmod(0o600)
        with found:
            described = found.client().describe_key(KeyId=key)
    assert described["KeyMetadata"]["Description"] == "kept"
