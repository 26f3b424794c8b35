"""A full disk, a database or broker that is away or slow, kills during a start: no answered
call is lost, and meanwhile /healthz says what is wrong.

`make test` has the short forms; `make soak` the full ones (a minute without a broker, every process killed at its
start).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from domain.state.fold import Fold
from domain.verification.log import verify
from services.adapters.kafka import REQUEST_TIMEOUT_MS, Producer
from services.adapters.postgres import connect
from tests.contracts.adapters import kafka_topic
from tests.e2e.test_trails import created, imported, record, written
from tests.faults.full_disk import no_file_grows
from tests.faults.steady import Steady
from tests.faults.test_soak import read_log
from tests.installation import Installation, eventually
from tests.pausing import paused

NOT_NOW = {"DependencyTimeoutException", "EndpointConnectionError", "ConnectionClosedError", "ReadTimeoutError"}
"""What a client may get while something is away: try again."""


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    data = tmp_path_factory.mktemp("away") / "data"
    with Installation(
        data, own="its servers are killed", KEYTRAIL_WRITERS="2", KEYTRAIL_COMMAND_DEADLINE="5"
    ) as running:
        yield running


def health(installation: Installation) -> tuple[int, str]:
    """(HTTP status, what it says)."""
    try:
        with urllib.request.urlopen(f"{installation.url}/healthz", timeout=5) as answer:
            return answer.status, json.load(answer)["status"]
    except urllib.error.HTTPError as fault:
        with fault:
            return fault.code, json.load(fault)["status"]
    except OSError as fault:
        return 0, str(fault)


def require_kept(installation: Installation, steady: Steady) -> None:
    """Every answered call is on record, once, and the log is whole."""
    assert set(steady.refused) <= NOT_NOW
    values = asyncio.run(read_log(installation))
    assert verify(values).whole
    fold, said = Fold(), []
    for offset, value in values:
        record = fold.take(offset, value)
        if record is not None and record.call is not None and record.event is not None:
            said.append(record.call.parameters.get("Description"))
    mine = [text for text in said if text is not None and text.startswith("change ")]
    assert set(steady.changed) <= set(mine)
    installation.caught_up()
    ids = asyncio.run(recorded(installation, steady.key))
    assert {call for _, call in steady.encrypted} <= ids


async def recorded(installation: Installation, key: str) -> set[str]:
    pool = await connect(installation.settings)
    rows = await pool.fetch(
        "SELECT call_id FROM p_decisions.decisions WHERE key_id = $1 AND operation = 'Encrypt'", key
    )
    await pool.close()
    return {row["call_id"] for row in rows}


def goes_on(steady: Steady) -> None:
    """Both kinds of call are answered again."""
    changed, encrypted = len(steady.changed), len(steady.encrypted)
    eventually(lambda: len(steady.changed) > changed + 3 and len(steady.encrypted) > encrypted + 3, within=60)


def tree(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def test_postgres_is_killed_and_comes_back(away: Installation) -> None:
    """Calls whose material a worker holds go on without the vault. Calls that need the vault are told to try again."""
    with Steady(away) as steady:
        goes_on(steady)
        for each in tree(away.process("postgres")):
            with contextlib.suppress(psutil.Error):
                each.kill()
        eventually(lambda: asyncio.run(_answers(away)))
        goes_on(steady)
    require_kept(away, steady)
    away.client().create_key()


def test_what_waits_behind_an_append_waits_as_long_as_the_append_may(away: Installation) -> None:
    """The broker hangs for longer than REQUEST_TIMEOUT_MS, and for less than APPEND_DEADLINE. Gained: what had no room in the queue
    was given up, and the leading writer ended itself."""
    records = [(bytes(chance.randbytes(100_000)), ()) for chance in map(Random, range(20))]

    async def append() -> int:
        async with kafka_topic(lambda: away.settings) as topic:
            producer = Producer(away.settings)
            await producer.append(topic.topic, 0, b"first", ())
            await topic.append(b"second", ())
            with paused(*tree(away.process("kafka"))):
                grouped = asyncio.create_task(producer.append_all(topic.topic, 0, records))
                single = [asyncio.create_task(topic.send(value, headers)) for value, headers in records]
                await asyncio.sleep(1.5 * REQUEST_TIMEOUT_MS / 1000)
            for sent in await asyncio.gather(*single):
                await sent
            await grouped
            await producer.close()
            return await topic.end()

    assert asyncio.run(append()) == 2 + 2 * len(records)


@pytest.mark.soak
def test_postgres_is_killed_when_an_import_has_ended(away: Installation, tmp_path: Path) -> None:
    """Postgres's log does not have the tables that an import recreates: they are on the disk when it commits."""
    records = [created(1, "2024-01-01T00:00:00Z")]
    records += [
        record("Decrypt", f"2024-01-01T{n // 3600:02d}:{n // 60 % 60:02d}:{n % 60:02d}Z") for n in range(1, 20_000)
    ]
    found = imported(away, "killed", written(tmp_path / "a.jsonl", *records))
    assert found["calls"] == 20_000
    before = away.answers("decisions", "--trail", "killed", "--limit", "100")
    for each in tree(away.process("postgres")):
        with contextlib.suppress(psutil.Error):
            each.kill()
    eventually(lambda: asyncio.run(_answers(away)))
    assert away.answers("decisions", "--trail", "killed", "--limit", "100") == before
    (trail,) = away.answers("trails")
    assert (trail["trail"], trail["calls"]) == ("killed", 20_000)


async def _answers(installation: Installation) -> bool:
    try:
        pool = await connect(installation.settings)
    except Exception:  # noqa: BLE001  # whatever it is, it does not answer yet
        return False
    await pool.close()
    return True


@pytest.mark.soak
def test_postgres_is_slow(away: Installation) -> None:
    """Calls that need no database do not wait for it, and /healthz says that the vault does not answer."""
    with Steady(away) as steady:
        goes_on(steady)
        with paused(*tree(away.process("postgres"))):
            before = len(steady.encrypted)
            assert eventually(lambda: "vault" in health(away)[1])
            assert health(away)[0] == 200, "what holds its material is served"
            eventually(lambda: len(steady.encrypted) > before + 20)
            slowest = max(took for took, _ in steady.encrypted[before:])
            assert slowest < 5, "no call waits for what it does not need"
            began = time.monotonic()
            with pytest.raises(ClientError) as refused:
                away.client(read_timeout=60).create_key()
            assert refused.value.response["Error"]["Code"] == "DependencyTimeoutException"
            assert time.monotonic() - began < 20
        eventually(lambda: health(away) == (200, "ok"))
        goes_on(steady)
    require_kept(away, steady)
    away.client().create_key()


def test_the_broker_is_away(away: Installation, soak: bool) -> None:
    with Steady(away) as steady:
        goes_on(steady)
        with paused(*tree(away.process("kafka"))):
            eventually(lambda: health(away)[0] == 503)
            assert "not fresh" in health(away)[1]
            time.sleep(60 if soak else 3)  # the outage itself
            assert health(away)[0] == 503
        eventually(away.healthy, within=60)
        goes_on(steady)
    assert steady.refused
    require_kept(away, steady)


@pytest.mark.parametrize("part", ["kafka", "postgres"])
def test_the_disk_is_full(away: Installation, part: str) -> None:
    """No file of the server grows any more, as on a full disk. Then there is room again."""
    with Steady(away) as steady:
        goes_on(steady)
        process = away.process(part)
        was = process.pid
        for each in tree(process):
            no_file_grows(each)
        eventually(lambda: away.pid(part) != was, within=60)  # it ends, and starts again with room
        eventually(lambda: health(away) == (200, "ok"), within=60)
        goes_on(steady)
    require_kept(away, steady)
    away.client().create_key()


KILLED = ("writer-1", "writer-2", "projector", "api-1", "postgres", "kafka")


def test_processes_are_killed_while_they_start(away: Installation, soak: bool) -> None:
    with Steady(away) as steady:
        goes_on(steady)
        for name in KILLED if soak else ("writer-1", "writer-2", "api-1"):
            for delay in (0.0, 0.3, 1.0, 2.0) if soak else (0.0, 0.5):
                was = away.process(name).pid
                away.process(name).kill()
                away.has_another(name, was)
                time.sleep(delay)  # the moments of its start so far
            eventually(away.healthy, within=60)
        goes_on(steady)
    require_kept(away, steady)


@pytest.mark.soak
def test_the_supervisor_is_killed_while_it_starts(tmp_path: Path) -> None:
    """kill -9 of `keytrail up` at several moments of its start: the next `up` cleans up and becomes ready."""
    installation = Installation(tmp_path / "data", own="its servers are killed", KEYTRAIL_WRITERS="2")
    found: dict[str, Any] = {}
    for delay in (0.5, 1.5, 3.0, 4.0, 5.0):
        log = (tmp_path / "up.log").open("a")
        up = psutil.Popen(installation.command(), env=installation.environment(), stdout=log, stderr=log)
        time.sleep(delay)
        up.kill()
        up.wait()
        log.close()
    with installation:
        found["key"] = installation.client().create_key()["KeyMetadata"]["KeyId"]
        assert found["key"] in [each["KeyId"] for each in installation.client().list_keys()["Keys"]]
