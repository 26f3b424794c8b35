"""How many records a second each audit device takes, beside the feed alone and a bare file; and Encrypt beside a device."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from pathlib import Path
from socket import create_connection, create_server
from typing import Any

import psutil
import uvloop

from bench import load
from bench.installed import Installed, free_port, until
from services.adapters import topics
from services.adapters.keyring import VaultKeyring, open_keyring
from services.adapters.log_now import chain_now, log_name
from services.adapters.postgres import Pool
from services.adapters.topics import log_topic
from services.audit_devices import device_rows, positions, worker
from services.audit_devices.devices_file import (
    DeviceSettings,
    FileDeviceSettings,
    OtlpDeviceSettings,
    SyslogDeviceSettings,
)
from services.audit_devices.feed import DeviceFeed, first_start, start_now
from services.audit_devices.lines import rendering
from services.cli.client import Client
from services.runtime.bootstrap import open_pool, open_vault
from services.settings import Settings
from tests.certificates import make

PROCESS = "audit-devices"
LEAST = 40_000
ROUNDS = 6
A_SECOND = "records a second of processor time"
Figures = list[tuple[str, str, str]]


def measure(seconds: float) -> Figures:
    """An installation of its own, with a file device."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        file, path = folder / "devices.toml", folder / "decisions.jsonl"
        file.touch(mode=0o600)
        file.write_text(f'[[file]]\nname = "archive"\npath = "{path}"\nrotate_bytes = 0\n')
        with Installed(folder / "data", KEYTRAIL_AUDIT_DEVICES_FILE=str(file)) as installed:
            figures = _beside_calls(installed, seconds)
            _stop(installed)
            figures += uvloop.run(_devices(installed.settings, folder))
            _go_on(installed)
    return figures


def _beside_calls(installed: Installed, seconds: float) -> Figures:
    """Encrypt while the device works and while it is stopped, in alternation: each first in turn."""
    request = installed.encrypt_request()
    load.run(installed.url, request, 64, 2)
    rates: dict[str, list[float]] = {"with": [], "without": []}
    made = 0
    for number in range(ROUNDS):
        for what in ("with", "without") if number % 2 else ("without", "with"):
            _go_on(installed)
            _caught_up(installed)
            if what == "without":
                _stop(installed)
            found = load.run(installed.url, request, 64, seconds / 2)
            made += len(found.latencies)
            rates[what].append(found.rate)
    _go_on(installed)
    while made < LEAST:
        made += len(load.run(installed.url, request, 64, 5).latencies)
    _caught_up(installed)
    on, off = statistics.median(rates["with"]), statistics.median(rates["without"])
    return [
        (f"Encrypt beside a file device, 64 connections ({ROUNDS} rounds, medians)", f"{on:,.0f}/s", ""),
        ("  yardstick: the device's process is stopped", f"{off:,.0f}/s", ""),
        ("  share of the yardstick", f"{on / off:.2f}", "at least 0.9"),
    ]


def _process(installed: Installed) -> psutil.Process:
    return psutil.Process(installed.running.children[PROCESS][0])


def _stop(installed: Installed) -> None:
    _process(installed).send_signal(signal.SIGSTOP)


def _go_on(installed: Installed) -> None:
    _process(installed).send_signal(signal.SIGCONT)


def _caught_up(installed: Installed) -> None:
    client = Client(installed.data)

    def nothing_waits() -> bool:
        status: Any = client.get("/v1/status")
        waits = [*status["lag"].values(), *status["alerts"]["lag"].values()]
        # A position is kept seconds after what Keytrail wrote about itself.
        return all(each == 0 for each in waits) and status["audit_devices"].get("archive", {}).get("lag", 1000) < 50

    until(nothing_waits, within=600)


async def _devices(settings: Settings, folder: Path) -> Figures:
    pool = await open_pool(settings)
    keys = await open_keyring(open_vault(settings, pool))
    await device_rows.prepare(pool)
    count, alone, bare = await _feed_alone(settings, pool, keys, folder)
    figures = [
        (f"the feed alone, without a device ({count:,} records)", f"{count / alone:,.0f} {A_SECOND}", ""),
        ("  yardstick: lines as long into a file, flushed after 2,000", f"{count / bare:,.0f}/s", ""),
    ]
    certificate = make(folder, "127.0.0.1")
    with _syslog_drain(certificate) as syslog, _otlp_drain() as otlp:
        wanted: dict[str, DeviceSettings] = {
            f"file, {form}": FileDeviceSettings(
                name=f"bench-{form}", form=form, path=folder / f"{form}.jsonl", rotate_bytes=0
            )
            for form in ("json", "ocsf", "cloudtrail")
        }
        wanted["syslog over TLS, json"] = SyslogDeviceSettings(
            name="bench-syslog", host="127.0.0.1", port=syslog, ca_file=str(certificate[0]), settle_seconds=0
        )
        wanted["OTLP, json"] = OtlpDeviceSettings(name="bench-otlp", url=f"http://127.0.0.1:{otlp}")
        for what, own in wanted.items():
            taken, busy = await _caught_up_by(settings, pool, keys, own)
            figures.append(
                (what, f"{count / busy:,.0f} {A_SECOND}, {count / taken:,.0f}/s by the clock", "at least 8,000")
            )
    await pool.close()
    return figures


async def _feed_alone(settings: Settings, pool: Pool, keys: VaultKeyring, folder: Path) -> tuple[int, float, float]:
    """(records, seconds of processor time to read them, seconds to write and flush their lines)."""
    feed = DeviceFeed(settings, await topics.prepare(settings, flush=False), keys)
    render, count, bare = rendering("json", settings.region), 0, 0.0
    began = time.process_time()
    await feed.open((await first_start(settings)).reached, await chain_now(log_topic(settings), pool, keys))
    with (folder / "bare").open("wb", buffering=0) as file:
        while True:
            batch = await feed.next()
            count += len(batch.records)
            lines = b"".join(render(each) + b"\n" for each in batch.records[:1]) * len(batch.records)
            at = time.perf_counter()
            file.write(lines)
            os.fdatasync(file.fileno())
            bare += time.perf_counter() - at
            if not await feed.waiting():
                break
    taken = time.process_time() - began
    await feed.close()
    return count, taken, bare


async def _caught_up_by(settings: Settings, pool: Pool, keys: VaultKeyring, own: DeviceSettings) -> tuple[float, float]:
    """(seconds, seconds of processor time) until the device holds all that is on the topics, by its own kept position."""
    partitions, name = await topics.prepare(settings, flush=False), await log_name(log_topic(settings), keys)
    wanted = (await start_now(settings, await chain_now(log_topic(settings), pool, keys))).reached.offsets
    kept = positions.DevicePositions(pool, keys, name, own.name)
    began, busy = time.perf_counter(), time.process_time()
    task = asyncio.create_task(worker.run(settings, pool, partitions, keys, name, [own]))
    while not task.done():
        found = await kept.read()
        if found is not None and all(
            found.offsets.get(each, 0) >= end for each, end in wanted.items() if each[0] != "events"
        ):
            break
        await asyncio.sleep(0.05)
    taken, busy = time.perf_counter() - began, time.process_time() - busy
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return taken, busy


@contextmanager
def _served(serve: Callable[..., None], *arguments: Any) -> Iterator[int]:
    """A server in a process of its own, and its port."""
    port = free_port()
    process = get_context("spawn").Process(target=serve, args=(port, *arguments), daemon=True)
    process.start()
    try:
        until(lambda: _answers(port))
        yield port
    finally:
        process.terminate()
        process.join()


def _answers(port: int) -> bool:
    with create_connection(("127.0.0.1", port), 1):
        return True


def _syslog_drain(certificate: tuple[Path, Path]) -> Any:
    return _served(drain_syslog, str(certificate[0]), str(certificate[1]))


def drain_syslog(port: int, certificate: str, key: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = create_server(("127.0.0.1", port))
    while True:
        plain, _ = server.accept()
        threading.Thread(target=_read_all, args=(context, plain), daemon=True).start()


def _read_all(context: ssl.SSLContext, plain: Any) -> None:
    try:
        with context.wrap_socket(plain, server_side=True) as connection:
            while connection.recv(262_144):
                pass
    except OSError:
        pass


def _otlp_drain() -> Any:
    return _served(drain_otlp)


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        pass


def drain_otlp(port: int) -> None:
    ThreadingHTTPServer(("127.0.0.1", port), _Answer).serve_forever()
