"""A process's own /metrics: what Prometheus gets, and what nobody can do to the process by it."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
from prometheus_client import Counter

from services.inherited import python
from services.metrics import MEASURED
from services.runtime import metrics_endpoint
from services.runtime.metrics_endpoint import MOST_HEAD, MOST_OPEN, answer_metrics
from services.settings import BadSetting, Settings
from tests.house.test_house import ROOT
from tests.house.test_prometheus import ALERTS
from tests.installation import clean_environment, free_port

SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)


@asynccontextmanager
async def opened(process: str) -> AsyncIterator[Settings]:
    settings = Settings(metrics_port=free_port())
    server = await answer_metrics(settings, process)
    assert server is not None
    async with server:
        yield settings


async def asked(settings: Settings, request: bytes) -> bytes:
    """The whole answer; nothing if the connection is cut off."""
    reader, writer = await asyncio.open_connection("127.0.0.1", settings.metrics_port)
    writer.write(request)
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize("process", MEASURED)
async def test_a_process_tells_what_it_measures_and_nothing_else(process: str) -> None:
    async with opened(process) as settings:
        head, _, text = (await asked(settings, SCRAPE)).decode().partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200 OK\r\n")
    assert f"Content-Length: {len(text)}" in head
    wanted = {family.name for each in MEASURED[process] for family in each.collect()}
    assert set(re.findall(r"^# TYPE (keytrail_\w+?)(?:_total)? ", text, re.MULTILINE)) == wanted
    assert "process_resident_memory_bytes" in text


BEGUN = """
import asyncio, sys
from services.metrics import exposition
from services.runtime.metrics_endpoint import answer_metrics
from services.settings import Settings
process, port = sys.argv[1], int(sys.argv[2])
asyncio.run(answer_metrics(Settings(metrics_port=port), process))
if process == "api":
    from services.api.zero_metrics import exist
    exist("none", Settings())
if process == "audit-devices":
    from services.audit_devices.progress import DeviceProgress
    DeviceProgress("siem")
print(exposition(process).decode())
"""
"""What a process tells before it has counted anything. In a process of its own, since a series is there for good once it was made."""


@pytest.mark.parametrize("process", MEASURED)
def test_an_alarm_on_growth_sees_the_first_event_of_a_process(process: str) -> None:
    """The zeros of messages to notifiers were made in API workers, which on several machines tell nothing of them. A notifier's
    series was born at 1: `increase` was 0, and nobody learned of the message that was given up."""
    command = [sys.executable, "-P", "-c", BEGUN, process, str(free_port())]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, check=True, cwd=ROOT)
    counted = {f"{each._name}_total" for each in MEASURED[process] if isinstance(each, Counter)}
    seen = []
    for name, rule in ALERTS.items():
        for metric, matchers in re.findall(r"increase\((\w+)\{?([^}\[]*)\}?\[\w+\]\)+ > 0", rule["expr"]):
            if metric in counted:
                wanted = set(re.findall(r'(?:^|,)((?!job=)\w+="[^"]*")', matchers))
                found = [
                    labels
                    for labels, value in re.findall(rf"^{metric}(?:\{{(.*)\}})? (\S+)$", done.stdout, re.MULTILINE)
                    if wanted <= set(labels.split(",")) and float(value) == 0
                ]
                assert found or re.search(rf"{metric}\S* unless {metric}\S* offset", rule["expr"]), name
                seen.append(name)
    assert seen or not counted - {"keytrail_takeovers_total", "keytrail_records_total"}


@pytest.mark.parametrize(
    ("request_", "begins"),
    [
        (b"HEAD /metrics HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK"),
        (b"GET /metrics?x=1 HTTP/1.0\r\n\r\n", b"HTTP/1.1 200 OK"),
        (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 404 Not Found"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"HTTP/1.1 404 Not Found"),
        (b"\xff\x00 \r\n\r\n", b"HTTP/1.1 404 Not Found"),
    ],
)
async def test_it_answers_whatever_is_asked(request_: bytes, begins: bytes) -> None:
    async with opened("notary") as settings:
        found = await asked(settings, request_)
    assert found.startswith(begins)
    assert (found.partition(b"\r\n\r\n")[2] == b"") == request_.startswith(b"HEAD")


async def test_a_head_that_is_too_long_is_cut_off() -> None:
    async with opened("notary") as settings:
        assert await asked(settings, b"GET /metrics HTTP/1.1\r\nx: " + b"x" * MOST_HEAD * 4) == b""
        assert (await asked(settings, SCRAPE)).startswith(b"HTTP/1.1 200 OK")


async def test_whoever_holds_every_connection_is_cut_off_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_endpoint, "PATIENCE", 0.3)
    async with opened("notary") as settings:
        held = [await asyncio.open_connection("127.0.0.1", settings.metrics_port) for _ in range(MOST_OPEN)]
        assert await asked(settings, SCRAPE) == b""
        for reader, writer in held:
            with suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), 10) == b""
            writer.close()
        assert (await asked(settings, SCRAPE)).startswith(b"HTTP/1.1 200 OK")


async def test_nothing_listens_unless_it_is_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(metrics_port=free_port())
    await answer_metrics(replace(settings, metrics_port=0), "writer")
    monkeypatch.setenv(
        "PROMETHEUS_MULTIPROC_DIR", "/nowhere"
    )  # as `keytrail up` does, whose API workers answer for all
    await answer_metrics(settings, "writer")
    with pytest.raises(ConnectionRefusedError):
        await asked(settings, SCRAPE)


async def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadSetting, match=f"KEYTRAIL_METRICS_PORT: 127.0.0.1:{port} cannot be bound"):
            await answer_metrics(Settings(metrics_port=port), "writer")


@pytest.mark.parametrize("process", ["writer", "projector"])
def test_a_process_whose_port_is_taken_says_so_and_ends(process: str) -> None:
    """The writer ends on its own path; the others share one."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        environment = clean_environment() | {"KEYTRAIL_METRICS_PORT": port}
        environment |= {"KEYTRAIL_KAFKA": "127.0.0.1:1", "KEYTRAIL_POSTGRES": "postgresql://127.0.0.1:1/x"}
        command = python(f"services.{process}")
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == os.EX_TEMPFAIL
    assert "KEYTRAIL_METRICS_PORT" in done.stdout + done.stderr
