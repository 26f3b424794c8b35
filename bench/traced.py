"""`python -m bench.traced CHECKOUT`: what traces cost, in processor time of a call: off, at the usual ratio, and of every call,
beside another checkout that has none. Set that up first (`make .venv/.run` there).

The installations run all the time, and each gets calls in its turn, so that other work of the machine affects all alike; what an
installation takes when nothing calls is subtracted. All processes count, broker and database too, but for the collector, a server
that answers everything alike.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench import load
from bench.__main__ import encrypt_body
from bench.against import ANEW
from bench.installed import Installed, free_port, until

ROUNDS = 12
IDLE = 4.0
"""Seconds for which an installation without calls is watched."""
CONNECTIONS = 16


@dataclass
class Kind:
    """`turns`: by operation, the processor time of a call in each turn, in microseconds."""

    name: str
    installed: Installed
    key: str = ""
    idle: float = 0.0
    turns: dict[str, list[float]] = field(default_factory=dict)


def turn(kind: Kind, operation: str, body: bytes, seconds: float) -> float:
    """Microseconds of processor time for each call, followers included."""
    installed = kind.installed
    request = load.signed(installed.url, installed.credentials, operation, body)
    before, began = installed.processor_seconds(), time.monotonic()
    result = load.run(installed.url, request, CONNECTIONS, seconds)
    assert not result.errors, f"{result.errors} errors"
    installed.until_followed()
    used = installed.processor_seconds() - before - kind.idle * (time.monotonic() - began)
    return used / len(result.latencies) * 1e6


def lost(installed: Installed) -> float:
    with urllib.request.urlopen(f"{installed.url}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(each.split()[-1]) for each in lines if each.startswith("keytrail_spans_lost_total"))


def measure(kinds: Sequence[Kind], rounds: int, seconds: float) -> None:
    for kind in kinds:
        kind.key = kind.installed.client().create_key()["KeyMetadata"]["KeyId"]
        turn(kind, "Encrypt", encrypt_body(kind.key), seconds)
    for kind in kinds:
        began = kind.installed.processor_seconds()
        time.sleep(IDLE)
        kind.idle = (kind.installed.processor_seconds() - began) / IDLE
    for number in range(rounds):
        for kind in kinds if number % 2 else kinds[::-1]:
            # Memory layout alone makes one process a tenth faster than the next of the same code.
            kind.installed.anew(*ANEW)
            turn(kind, "Encrypt", encrypt_body(kind.key), seconds)
            policy = kind.installed.client().get_key_policy(KeyId=kind.key)["Policy"]
            bodies = {
                "Encrypt": encrypt_body(kind.key),
                "PutKeyPolicy": json.dumps({"KeyId": kind.key, "Policy": policy}).encode(),
            }
            for operation, body in bodies.items():
                kind.turns.setdefault(operation, []).append(turn(kind, operation, body, seconds))


def print_shares(kinds: Sequence[Kind]) -> None:
    first = kinds[0]
    for operation, base in first.turns.items():
        print(f"{operation}: {first.name} {statistics.median(base):.0f} us")
        for kind in kinds[1:]:
            found = kind.turns[operation]
            shares = [mine / theirs for mine, theirs in zip(found, base, strict=True)]
            print(
                f"  {kind.name}: {statistics.median(found):.0f} us; "
                f"share {statistics.median(shares):.3f} ({min(shares):.3f} to {max(shares):.3f})"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=2.0)
    asked = parser.parse_args()
    port = free_port()
    collector = subprocess.Popen([sys.executable, "-m", "bench.constant", str(port)])
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: load.run(url, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1, 0.01).rate > 0)
        with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
            there = Path(folder)
            kinds = [
                Kind("before", Installed(there / "before", checkout=asked.checkout.resolve())),
                Kind("off", Installed(there / "off")),
                Kind("usual ratio", Installed(there / "usual", KEYTRAIL_TRACES_ENDPOINT=url)),
                Kind("every call", Installed(there / "all", KEYTRAIL_TRACES_RATIO="1", KEYTRAIL_TRACES_ENDPOINT=url)),
            ]
            for kind in kinds:
                running.enter_context(kind.installed)
            measure(kinds, asked.rounds, asked.seconds)
            print_shares(kinds)
            print(f"spans lost: {lost(kinds[-1].installed):.0f}")
    finally:
        collector.terminate()
        collector.wait()


if __name__ == "__main__":
    main()
