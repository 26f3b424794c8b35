"""`make bench`: every figure of docs/performance.md, each beside a yardstick from the same run.

`python -m bench NAME ...` runs some of them; `--seconds N` sets how long each load lasts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import load
from bench.installed import Installed, free_port, until

OUT = Path(__file__).with_name("out")
Figure = tuple[str, str, str]
"""(what, figure, to reach)."""


def _encrypt_body(key: str) -> bytes:
    return json.dumps({"KeyId": key, "Plaintext": "QUFB" * 21 + "QQ=="}).encode()


def constant(seconds: float, connections: int, request: Callable[[str], bytes]) -> load.Result:
    """The yardstick of HTTP, with the same request's bytes."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    server = subprocess.Popen([sys.executable, "-m", "bench.constant", str(port)])
    try:
        until(lambda: load.run(url, request(url), 1, 0.01).rate > 0)
        load.run(url, request(url), connections, 1)
        return load.run(url, request(url), connections, seconds)
    finally:
        server.terminate()
        server.wait()


def encrypt(installed: Installed, seconds: float) -> list[Figure]:
    key = installed.client().create_key()["KeyMetadata"]["KeyId"]
    body = _encrypt_body(key)

    def request(url: str) -> bytes:
        return load.signed(url, installed.credentials, "Encrypt", body)

    figures: list[Figure] = []
    load.run(installed.url, request(installed.url), 64, 2)
    many = load.run(installed.url, request(installed.url), 64, seconds)
    yardstick = constant(seconds, 64, request)
    share = many.rate / yardstick.rate
    figures.append(("Encrypt, 64 connections", many.summary(), ""))
    figures.append(("  yardstick: uvicorn, constant body", f"{yardstick.rate:,.0f}/s", ""))
    figures.append(("  share of the yardstick", f"{share:.2f}", "at least 0.25"))
    one = load.run(installed.url, request(installed.url), 1, seconds)
    yardstick_one = constant(seconds, 1, request)
    figures.append(("Encrypt, 1 connection", f"p50 {one.percentile(0.5) * 1e3:.2f} ms", "p50 at most 1.5 ms"))
    figures.append(("  yardstick: constant body", f"p50 {yardstick_one.percentile(0.5) * 1e3:.2f} ms", ""))
    figures.append(("  yardstick: bare append to decisions", f"p50 {bare_append(installed, 'decisions'):.2f} ms", ""))
    return figures


def bare_append(installed: Installed, topic: str) -> float:
    """Median milliseconds of an append of 800 bytes to a topic made like one of ours, and nothing else."""
    from aiokafka import AIOKafkaProducer
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    async def measure() -> float:
        name = f"bench.{topic}.{time.time_ns()}"
        configs = {"flush.messages": "1"} if topic == "events" else {}
        admin = AIOKafkaAdminClient(bootstrap_servers=installed.kafka)
        await admin.start()
        await admin.create_topics([NewTopic(name, 1, 1, topic_configs=configs)])
        await admin.close()
        producer = AIOKafkaProducer(bootstrap_servers=installed.kafka, acks="all", enable_idempotence=True, linger_ms=0)
        await producer.start()
        taken = []
        for _ in range(1000):
            began = time.perf_counter()
            await producer.send_and_wait(name, b"x" * 800)
            taken.append(time.perf_counter() - began)
        await producer.stop()
        return sorted(taken)[500] * 1e3

    return asyncio.run(measure())


def put_key_policy(installed: Installed, seconds: float) -> list[Figure]:
    client = installed.client()
    key = client.create_key()["KeyMetadata"]["KeyId"]
    policy = client.get_key_policy(KeyId=key)["Policy"]
    body = json.dumps({"KeyId": key, "Policy": policy}).encode()
    request = load.signed(installed.url, installed.credentials, "PutKeyPolicy", body)
    load.run(installed.url, request, 8, 1)
    one = load.run(installed.url, request, 1, seconds)
    many = load.run(installed.url, request, 64, seconds)
    return [
        ("PutKeyPolicy, 1 connection", f"p50 {one.percentile(0.5) * 1e3:.1f} ms", "p50 at most 8 ms"),
        ("  yardstick: bare append, flushed", f"p50 {bare_append(installed, 'events'):.2f} ms", "(a call takes two)"),
        ("PutKeyPolicy, 64 connections", many.summary(), "at least 1,000/s"),
    ]


def projector(installed: Installed, seconds: float) -> list[Figure]:
    """Catching up: the projections are thrown away, and the projector is started on all that the other runs left."""
    from bench.catching_up import catch_up, copy_yardstick

    records, taken = catch_up(installed)
    return [
        ("projector catching up", f"{records / taken:,.0f} records/s ({records:,} records)", "at least 25,000/s"),
        ("  yardstick: bare COPY of rows as wide", f"{copy_yardstick(installed):,.0f} rows/s", ""),
    ]


def evaluation(installed: Installed, seconds: float) -> list[Figure]:
    from bench.evaluating import measure

    rate, yardstick = measure()
    return [
        ("key-policy evaluation, 5 statements, with the reason", f"{rate:,.0f}/s", "at least 300,000/s"),
        ("  yardstick: a call of an empty function", f"{yardstick:,.0f}/s", ""),
    ]


def start(installed: Installed, seconds: float) -> list[Figure]:
    installed.stop()
    began = time.perf_counter()
    installed.start()
    return [("keytrail up, warm, to ready", f"{time.perf_counter() - began:.1f} s", "at most 10 s")]


BENCHMARKS: dict[str, Callable[[Installed, float], list[Figure]]] = {
    "encrypt": encrypt,
    "put_key_policy": put_key_policy,
    "evaluation": evaluation,
    "projector": projector,
    "start": start,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="which; all where none is named")
    parser.add_argument("--seconds", type=float, default=8.0)
    arguments = parser.parse_args()
    console = Console()
    table = Table("what", "figure", "to reach", box=None, header_style="bold")
    results: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder, Installed(Path(folder) / "data") as installed:
        for name in arguments.names or BENCHMARKS:
            with console.status(f"measuring {name}"):
                for figure in BENCHMARKS[name](installed, arguments.seconds):
                    results.append(figure)
                    table.add_row(*figure)
    console.print(table)
    OUT.mkdir(exist_ok=True)
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "machine": platform.machine()}
    (OUT / "latest.json").write_text(json.dumps({"machine": machine, "figures": results}, indent=1))


if __name__ == "__main__":
    main()
