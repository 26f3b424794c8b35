"""What three brokers cost: changes and uses on a cluster with replicas, TLS and passwords, beside the bundled broker in one run.

Everything else is the same, and all of it is on this machine: `keytrail up`, its processes and its Postgres, and the brokers. The
installation with the bundled broker does not run meanwhile.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench import load
from bench.installed import Installed, until
from tests.certificates import Authority
from tests.cluster.brokers import ADMIN, ADMIN_PASSWORD, Brokers
from tests.cluster.network import Machine
from tests.installation import clean_environment

HERE = "127.0.0.1"
CONNECTIONS = 64
PLAINTEXT = "QUFB" * 21 + "QQ=="


@dataclass(frozen=True, slots=True)
class _Measured:
    """`shares`: of one processor while the uses last, by process."""

    one_change: load.Result
    changes: load.Result
    uses: load.Result
    shares: dict[str, float]

    def processors(self) -> str:
        most = sorted(self.shares.items(), key=lambda each: -each[1])
        return ", ".join(f"{name} {share:.0%}" for name, share in most[:6])


def measure(installed: Installed, seconds: float) -> list[tuple[str, str, str]]:
    """Figures of bench/__main__.py."""
    bundled = _measured(installed, seconds, ())
    installed.stop()
    try:
        with (
            _three_brokers() as (brokers, settings),
            tempfile.TemporaryDirectory() as folder,
            Installed(Path(folder) / "data", None, None, **settings) as on_three,
        ):
            processes = [each.process for each in brokers.all if each.process is not None]
            three = _measured(on_three, seconds, [psutil.Process(each.pid) for each in processes])
    finally:
        installed.start()
    latency = three.one_change.percentile(0.5) / bundled.one_change.percentile(0.5)
    return [
        (
            "PutKeyPolicy on three brokers, 1 connection",
            f"p50 {three.one_change.percentile(0.5) * 1e3:.1f} ms",
            "at most 3 times one broker's",
        ),
        ("  yardstick: on the bundled broker", f"p50 {bundled.one_change.percentile(0.5) * 1e3:.1f} ms", ""),
        ("  times the yardstick", f"{latency:.2f}", "at most 3"),
        ("PutKeyPolicy on three brokers, 64 connections", three.changes.summary(), ""),
        ("  yardstick: on the bundled broker", bundled.changes.summary(), ""),
        ("  share of the yardstick", f"{three.changes.rate / bundled.changes.rate:.2f}", "at least 0.5"),
        ("Encrypt on three brokers, 64 connections", three.uses.summary(), ""),
        ("  yardstick: on the bundled broker", bundled.uses.summary(), ""),
        ("  share of the yardstick", f"{three.uses.rate / bundled.uses.rate:.2f}", "at least 0.5"),
        ("  processors, three brokers", three.processors(), ""),
        ("  processors, bundled broker", bundled.processors(), ""),
    ]


def _measured(installed: Installed, seconds: float, brokers: Iterable[psutil.Process]) -> _Measured:
    client = installed.client()
    key = client.create_key()["KeyMetadata"]["KeyId"]
    put = {"KeyId": key, "Policy": client.get_key_policy(KeyId=key)["Policy"]}
    change = load.signed(installed.url, installed.credentials, "PutKeyPolicy", json.dumps(put).encode())
    encrypt = {"KeyId": key, "Plaintext": PLAINTEXT}
    use = load.signed(installed.url, installed.credentials, "Encrypt", json.dumps(encrypt).encode())
    load.run(installed.url, change, 8, 2)
    one_change = load.run(installed.url, change, 1, seconds)
    changes = load.run(installed.url, change, CONNECTIONS, seconds)
    load.run(installed.url, use, CONNECTIONS, 2)
    names = {each: _name(each) for each in installed.processes()} | dict.fromkeys(brokers, "broker")
    before = {each: _spent(each) for each in names}
    uses = load.run(installed.url, use, CONNECTIONS, seconds)
    shares: dict[str, float] = defaultdict(float)
    for each, name in names.items():
        shares[name] += (_spent(each) - before[each]) / uses.seconds
    return _Measured(one_change, changes, uses, shares)


def _spent(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _name(process: psutil.Process) -> str:
    return {"java": "broker"}.get(process.name(), process.name().rstrip("0123456789").rstrip("-"))


@contextmanager
def _three_brokers() -> Iterator[tuple[Brokers, dict[str, str]]]:
    """Three brokers with Keytrail's topics, and the settings that reach them."""
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder) / "certificates")
        machines = [Machine(f"kafka{number}", HERE) for number in (1, 2, 3)]
        brokers = Brokers(machines, Path(folder), authority, HERE)
        settings = {
            "KEYTRAIL_KAFKA": brokers.bootstrap,
            "KEYTRAIL_KAFKA_SECURITY": "SASL_SSL",
            "KEYTRAIL_KAFKA_USERNAME": ADMIN,
            "KEYTRAIL_KAFKA_PASSWORD": ADMIN_PASSWORD,
            "KEYTRAIL_KAFKA_CA": str(authority.certificate),
        }
        command = [str(Path(sys.executable).parent / "keytrail"), "topics", "create", "--yes"]
        try:
            brokers.start()
            until(
                lambda: subprocess.run(command, env=clean_environment() | settings, capture_output=True).returncode == 0
            )
            yield brokers, settings
        finally:
            brokers.stop()
