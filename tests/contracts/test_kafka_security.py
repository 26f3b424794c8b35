"""A broker with TLS and SASL: the settings reach it, and the message tells wrong settings from a broker that is
away."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from domain.ports import Unavailable
from services.adapters import topics
from services.adapters.bundled.jars import class_path
from services.adapters.bundled.kafka import BundledKafka
from services.adapters.kafka import connection
from services.adapters.topics import log_topic
from services.settings import Settings, load
from tests import certificates
from tests.installation import clean_environment, eventually, free_port

USER, PASSWORD = "keytrail", "a secret"


class SecuredKafka(BundledKafka):
    """The bundled broker with its clients' listener on SASL_SSL."""

    def __init__(self, folder: Path, jars: list[Path], cert: Path, key: Path) -> None:
        super().__init__(folder, jars, free_port(), free_port())
        self._both = folder / "both.pem"
        folder.mkdir(parents=True)
        self._both.write_bytes(key.read_bytes() + cert.read_bytes())

    def _properties(self) -> dict[str, object]:
        inner = free_port()
        login = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
        return super()._properties() | {
            "listeners": f"SASL_SSL://127.0.0.1:{self.port},INNER://127.0.0.1:{inner},CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": f"SASL_SSL://127.0.0.1:{self.port},INNER://127.0.0.1:{inner}",
            "listener.security.protocol.map": "SASL_SSL:SASL_SSL,INNER:PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
            "inter.broker.listener.name": "INNER",
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_ssl.plain.sasl.jaas.config": login,
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self._both,
        }


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    folder = tmp_path_factory.mktemp("secured")
    cert, key = certificates.make(folder)
    jars = class_path(Path.home() / ".cache" / "keytrail" / "m2", lambda done, count: None)
    broker = SecuredKafka(folder / "kafka", jars, cert, key)
    broker.prepare()
    output = (folder / "output.log").open("ab")
    running = subprocess.Popen(broker.command(), stdout=output, stderr=output)
    output.close()
    settings = load(
        {
            "KEYTRAIL_KAFKA": broker.bootstrap,
            "KEYTRAIL_KAFKA_SECURITY": "SASL_SSL",
            "KEYTRAIL_KAFKA_SASL_MECHANISM": "PLAIN",
            "KEYTRAIL_KAFKA_USERNAME": USER,
            "KEYTRAIL_KAFKA_PASSWORD": PASSWORD,
            "KEYTRAIL_KAFKA_CA": str(cert),
        }
    )
    started = folder / "kafka" / "logs" / "broker.log"
    eventually(lambda: started.exists() and running.poll() is None)
    yield settings
    running.terminate()
    running.wait(30)


async def test_the_log_is_kept_on_a_broker_that_asks_for_both(secured: Settings) -> None:
    for _ in range(60):
        try:
            await topics.prepare(secured, flush=True)
            break
        except Unavailable:
            await asyncio.sleep(0.5)  # the broker is still starting
    events = log_topic(secured)
    offset = await events.append(b"kept")
    reader = await events.reader(offset)
    assert [stored.value for stored in await reader.read(1)] == [b"kept"]
    await reader.close()
    await events.close()


FOLLOW = """
import asyncio, os
from services.alert_worker.faust_app import app_of
from services.settings import load

async def take(partition, records):
    for each in records:
        if each.value == b"told":
            os.write(1, b"told")
            os._exit(0)

async def main():
    app = app_of(load(), "secured", take, take, lambda *where: None)
    await app.maybe_start()
    await app.wait_until_stopped()

asyncio.run(main())
"""


async def test_faust_reads_from_it_with_the_same_settings(secured: Settings) -> None:
    """In a separate process, as in operation: Faust leaves a loop behind, which it made with the app."""
    await topics.prepare(secured, flush=True)
    events = log_topic(secured)
    await events.append(b"told")
    await events.close()
    environment = clean_environment() | secured.environment() | secured.secrets()
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", FOLLOW], env=environment, capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"told"), done.stderr.decode()


async def test_a_wrong_password_is_refused(secured: Settings) -> None:
    with pytest.raises(Unavailable):
        await topics.prepare(replace(secured, kafka_password="wrong"), flush=True)


def test_a_password_is_in_no_repr(secured: Settings) -> None:
    assert PASSWORD not in repr(secured)
    assert connection(secured)["sasl_plain_password"] == PASSWORD
