"""What a person waits for at the command line: help, and commands that ask the API, in processor time and by the clock."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from bench.crypto import Figure
from bench.installed import Installed
from services.cli.main import COMMANDS, GROUPS

KEYTRAIL = Path(sys.executable).with_name("keytrail")
ASKED = (
    "keys",
    "decisions",
    "history alias/bench",
    "policy alias/bench",
    "who-can Decrypt alias/bench",
    "status",
    "alerts",
)
RUNS = 5


def measure(installed: Installed) -> list[Figure]:
    kms = installed.client()
    kms.create_alias(AliasName="alias/bench", TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])
    helps = {name: timed([*name.split(), "--help"], installed) for name in ("", *GROUPS, *COMMANDS)}
    asked = {each: timed([*each.split(), "--json"], installed) for each in ASKED}
    slowest = max(helps, key=lambda name: helps[name][0])
    costliest = max(asked, key=lambda each: asked[each][1])
    nothing = timed_process([sys.executable, "-c", "pass"], {})
    return [
        ("keytrail --help", f"{helps[''][0] * 1e3:.0f} ms", "at most 400 ms"),
        (f"the slowest --help of {len(helps)}, of {slowest}", f"{helps[slowest][0] * 1e3:.0f} ms", "at most 400 ms"),
        ("keytrail keys --json, processor time", f"{asked['keys'][1] * 1e3:.0f} ms", "at most 350 ms"),
        (
            f"the costliest of {len(asked)} commands, {costliest}",
            f"{asked[costliest][1] * 1e3:.0f} ms",
            "at most 350 ms",
        ),
        ("  yardstick: Python that does nothing", f"{nothing[0] * 1e3:.0f} ms", ""),
    ]


def timed(arguments: list[str], installed: Installed) -> tuple[float, float]:
    """(seconds by the clock, seconds of processor time), the median of some runs."""
    return timed_process([str(KEYTRAIL), *arguments], {"KEYTRAIL_DATA": str(installed.data)})


def timed_process(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    runs = []
    for _ in range(RUNS):
        began = time.perf_counter()
        process = subprocess.Popen(
            command, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, command
        runs.append((time.perf_counter() - began, used.ru_utime + used.ru_stime))
    return median(run[0] for run in runs), median(run[1] for run in runs)
