"""`keytrail restore` onto a cluster with users and rights."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from domain.ports import Unavailable
from services.adapters.bundled import login
from services.adapters.bundled.jars import CACHE, class_path
from services.cluster.preparation import make_parts, missing_parts
from services.settings import Settings, load
from tests import certificates, servers
from tests.contracts.test_kafka_security import SecuredKafka
from tests.forking import forked
from tests.installation import KEYTRAIL, Installation, clean_environment, eventually

ADMIN, OPERATOR, PASSWORD = "admin", "keytrail-operator", "a-password-of-a-test"


class GuardedKafka(SecuredKafka):
    """Its users may do what ACLs permit, and the administrator everything."""

    def _properties(self) -> dict[str, object]:
        users = " ".join(f'user_{each}="{PASSWORD}"' for each in (ADMIN, OPERATOR))
        return super()._properties() | {
            "listener.name.sasl_ssl.plain.sasl.jaas.config": (
                f"org.apache.kafka.common.security.plain.PlainLoginModule required {users};"
            ),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{ADMIN};User:ANONYMOUS;User:{login.USER}",
        }


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What names the cluster, as a process of the operator's user is told it."""
    folder = tmp_path_factory.mktemp("guarded")
    cert, key = certificates.make(folder)
    broker = GuardedKafka(folder / "kafka", class_path(CACHE, lambda done, count: None), cert, key)
    broker.prepare()
    with (folder / "output.log").open("ab") as output:
        running = subprocess.Popen(broker.command(), stdout=output, stderr=output)
    yield {
        "KEYTRAIL_KAFKA": broker.bootstrap,
        "KEYTRAIL_KAFKA_SECURITY": "SASL_SSL",
        "KEYTRAIL_KAFKA_SASL_MECHANISM": "PLAIN",
        "KEYTRAIL_KAFKA_USERNAME": OPERATOR,
        "KEYTRAIL_KAFKA_PASSWORD": PASSWORD,
        "KEYTRAIL_KAFKA_CA": str(cert),
    }
    running.terminate()
    running.wait(30)


def restored(file: Path, data: Path, database: str, given: dict[str, str]) -> subprocess.CompletedProcess[str]:
    environment = clean_environment() | given | {"KEYTRAIL_POSTGRES": database}
    command = [str(KEYTRAIL), "restore", str(file), "--data", str(data)]
    return forked().run(command, environment, timeout=120)


@pytest.mark.soak
def test_a_user_who_may_not_fill_the_topics_is_told_which_user_may(
    guarded: dict[str, str], installation: Installation, tmp_path: Path
) -> None:
    """It wrote the vault first, and then ended with "TopicAuthorizationFailedError". The next try met a folder and a database that were
    not empty."""
    installation.client().create_key()
    file, data = tmp_path / "keys.backup", tmp_path / "data"
    installation.keytrail("backup", str(file))
    data.mkdir()
    shutil.copy(installation.data / "master.key", data)
    as_admin = guarded | {"KEYTRAIL_KAFKA_USERNAME": ADMIN}
    with closing(servers.Share(servers.place())) as share:
        database = share.settings["KEYTRAIL_POSTGRES"]
        eventually(lambda: _answers(load(as_admin)))

        without = restored(file, data, database, guarded)
        assert "can neither see nor make the topic keytrail." in without.stderr
        assert "Run `keytrail topics create`" in without.stderr

        partitions = str(installation.settings.decision_partitions)
        admin = load(as_admin | {"KEYTRAIL_DECISION_PARTITIONS": partitions})
        asyncio.run(make_parts(admin, asyncio.run(missing_parts(admin))))
        refused = restored(file, data, database, guarded)
        assert (refused.returncode, refused.stderr) == (
            1,
            "error: The user keytrail-operator may not read and write keytrail.decisions and keytrail.events on Kafka, and a restore "
            "fills them. Name a user who may, such as the one who made the topics, in KEYTRAIL_KAFKA_USERNAME and "
            "KEYTRAIL_KAFKA_PASSWORD, for this command alone. Nothing was written.\n",
        )
        assert [each.name for each in data.iterdir()] == ["master.key"]

        done = restored(file, data, database, as_admin)
        assert done.returncode == 0, done.stderr


def _answers(settings: Settings) -> bool:
    with suppress(Unavailable):
        asyncio.run(missing_parts(settings))
        return True
    return False
