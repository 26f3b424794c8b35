"""`keytrail doctor` on a real installation, and on one where half of everything is wrong or away."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from aiokafka.admin import NewTopic

from services.adapters.kafka import administering
from services.adapters.master_key import make
from services.diagnosis.examination import BETWEEN_LOOKS, examined
from services.diagnosis.outcome import CheckOutcome, exit_code
from services.settings import Settings
from tests import certificates
from tests.attacks.test_local_user import as_root, somebody_else
from tests.forking import forked
from tests.installation import KEYTRAIL, Installation, clean_environment, free_port

LONGEST = 30.0
"""Seconds that all checks may take, whatever is away."""


def test_what_is_healthy_is_so_for_whoever_runs_it(installation: Installation) -> None:
    installation.caught_up()
    done = installation.keytrail("doctor", "--json", check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    # A certificate of the tests lives for a day. The servers are those of the test run: one broker, and no standby.
    assert {row["check"]: row["found"] for row in rows if row["verdict"] not in ("ok", "look")} == {
        "KEYTRAIL_OIDC_CA": "expires in 1.0 days"
    }
    assert done.returncode == 1
    assert {row["check"] for row in rows if row["verdict"] == "look"} <= {"replicas", "standby of Postgres", "disk"}
    assert {row["check"] for row in rows} >= {
        *("settings", "version", "data folder", "files with secrets", "processes", "API", "disk"),
        *("Kafka", "replicas", "rights on Kafka", "Kafka's clock", "Postgres", "Postgres's clock", "vault"),
        *(
            "master key",
            "root credential",
            "log and database",
            "projector",
            "alert workers",
            "notary",
            "notifiers",
            "audit devices",
            "collector of traces",
        ),
    }
    shown = installation.keytrail("doctor", check=False).stdout
    assert shown.startswith("check ")
    assert [row["check"] for row in rows if row["check"] not in shown] == []
    assert (
        f"\nwrong KEYTRAIL_OIDC_CA: expires in 1.0 days\n  Put a new certificate into {installation.extra['KEYTRAIL_OIDC_CA']}"
        in shown
    )


def test_settings_that_cannot_be_read_are_a_finding(installation: Installation) -> None:
    environment = installation.environment() | {"KEYTRAIL_PORT": "many"}
    done = forked().run([str(KEYTRAIL), "doctor", "--json", "--data", str(installation.data)], environment, timeout=60)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (1, "")
    assert rows[0] == {"check": "settings", "verdict": "wrong", "found": "they cannot be read", "do": "KEYTRAIL_PORT is 'many', and takes a number."}  # fmt: skip
    assert {row["verdict"] for row in rows[1:]} == {"unchecked"}


def test_a_misspelt_setting_is_named_with_the_nearest_one(installation: Installation) -> None:
    environment = installation.environment() | {"KEYTRAIL_MASTER_KEYFILE": "/elsewhere/master.key"}
    done = forked().run([str(KEYTRAIL), "doctor", "--json", "--data", str(installation.data)], environment, timeout=60)
    row = json.loads(done.stdout.splitlines()[0])
    assert (row["check"], row["verdict"], row["found"]) == ("settings", "look", "no settings: KEYTRAIL_MASTER_KEYFILE")
    assert "Near it: KEYTRAIL_MASTER_KEY_FILE" in row["do"]


def test_where_nothing_was_ever_started_nothing_can_be_checked(tmp_path: Path) -> None:
    environment = clean_environment() | {"KEYTRAIL_PORT": str(free_port())}
    done = forked().run([str(KEYTRAIL), "doctor", "--data", str(tmp_path / "none")], environment, timeout=60)
    assert done.returncode == 2
    assert "nothing runs on" in done.stdout
    assert not (tmp_path / "none").exists(), "it made something"


@as_root
@pytest.mark.parametrize("closed", ["the folder", "the one above"])
async def test_a_folder_that_this_user_may_not_read_is_a_finding(closed: str) -> None:
    """`sudo keytrail up`, and then doctor without sudo: it ended with one error, and no finding."""
    with TemporaryDirectory() as above:
        data = Path(above) / "data"
        data.mkdir(mode=0o700)
        make(data / "master.key")
        os.chmod(above, 0o700 if closed == "the one above" else 0o711)
        await examined(Settings(data=data, port=free_port()), {})  # what it imports, somebody else may not read here
        with somebody_else():
            found = by_check(await examined(Settings(data=data, port=free_port()), {}))
    assert found["data folder"].verdict == "wrong"
    assert "un `keytrail doctor` as " in found["data folder"].do
    assert (found["files with secrets"].verdict, found["files with secrets"].found) == ("unchecked", "see data folder")


def by_check(findings: list[CheckOutcome]) -> dict[str, CheckOutcome]:
    return {each.check: each for each in findings}


@pytest.fixture
async def broken(installation: Installation, tmp_path: Path) -> Settings:
    """Settings of one process on a machine of its own: a topic that loses records, a key that others may read, a database that
    does not answer."""
    settings = replace(
        installation.settings,
        data=tmp_path / "data",
        oidc_ca="",
        topic_prefix=f"t{uuid4().hex[:8]}",
        postgres=f"postgresql://u:p@127.0.0.1:{free_port()}/keytrail",
        port=free_port(),
    )
    async with administering(settings) as admin:
        forever = {"retention.ms": "-1", "retention.bytes": "-1"}
        await admin.create_topics(
            [
                NewTopic(f"{settings.topic_prefix}.events", 2, 1, topic_configs=forever),
                NewTopic(f"{settings.topic_prefix}.order", 1, 1, topic_configs=forever | {"retention.ms": "1000"}),
            ]
        )
    certificate, key = certificates.make(tmp_path)
    key.chmod(0o644)
    (tmp_path / "data").mkdir(mode=0o755)
    make(tmp_path / "data" / "master.key")
    (tmp_path / "data" / "master.key").chmod(0o640)
    authority = str(certificate)
    return replace(settings, tls_cert=str(certificate), tls_key=str(key), postgres_ca=authority, traces_ca=authority)


async def test_each_fault_is_found_though_the_database_is_away(broken: Settings) -> None:
    began = time.monotonic()
    findings = await examined(broken, {})
    assert time.monotonic() - began < LONGEST
    found, prefix = by_check(findings), broken.topic_prefix
    wrong = {check: each.do for check, each in found.items() if each.verdict == "wrong"}
    assert wrong.keys() == {
        *(
            "data folder",
            "files with secrets",
            "KEYTRAIL_TLS_CERT",
            "KEYTRAIL_POSTGRES_CA",
            "KEYTRAIL_TRACES_CA",
            "Postgres",
        ),
        *(f"topic {prefix}.{each}" for each in ("events", "order", "commands", "decisions", "alerts")),
    }
    assert "chmod 700" in wrong["data folder"]
    assert f"chmod o= {broken.tls_key}" in wrong["files with secrets"]
    assert f"chmod 600 {broken.data / 'master.key'}" in wrong["files with secrets"]
    assert "must have exactly one" in wrong[f"topic {prefix}.events"]
    assert "--add-config retention.ms=-1" in wrong[f"topic {prefix}.order"]
    assert "KEYTRAIL_POSTGRES" in wrong["Postgres"]
    assert found["KEYTRAIL_TLS_CERT"].found == "expires in 1.0 days"
    away = {each.check for each in findings if each.found == "Postgres does not answer"}
    assert away == {
        "standby of Postgres",
        "Postgres's clock",
        "upgrade",
        "vault",
        "master key",
        "root credential",
        "log and database",
    }
    assert exit_code(findings) == 1


async def test_the_rest_is_checked_though_kafka_is_away(installation: Installation) -> None:
    """The other way round, and with another installation's master key."""
    folder = installation.data.parent / f"elsewhere-{uuid4().hex[:8]}"
    folder.mkdir(mode=0o700)
    make(folder / "master.key")
    settings = replace(
        installation.settings,
        kafka=f"127.0.0.1:{free_port()}",
        kafka_security="PLAINTEXT",
        oidc_ca="",
        data=folder,
        port=free_port(),
    )
    began = time.monotonic()
    found = by_check(await examined(settings, {}))
    assert time.monotonic() - began < LONGEST + BETWEEN_LOOKS
    assert {check for check, each in found.items() if each.verdict == "wrong"} == {"Kafka", "master key"}
    assert "does not open the vault" in found["master key"].do
    assert (found["Postgres"].verdict, found["Postgres's clock"].verdict) == ("ok", "ok")
    assert found["projector"].verdict == "unchecked"
