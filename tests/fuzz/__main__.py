"""`make fuzz`: millions of inputs for every door that takes a stranger's bytes. A run goes on where the last one ended, and adds up.
`wire` is the only door with sockets: a real installation, which gets spoilt requests of the other doors' corpora.

    python -m tests.fuzz                       a million inputs, shared between the doors
    python -m tests.fuzz --inputs 10000000     ten million
    python -m tests.fuzz --minutes 60          as many as an hour is enough for
    python -m tests.fuzz policy call           these doors alone
    python -m tests.fuzz wire --inputs 1000000
    python -m tests.fuzz --again FILE policy   the input of a finding once more

An input that is answered with a fault, takes more than a second, or more than a gigabyte of memory, is a finding: it is kept in
.fuzz/NAME, and the run ends with exit status 1. Where atheris is not installed (it has wheels for Linux on x86-64), hypothesis makes
the inputs, which does not see what they reach.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress
from rich.table import Table

KEPT = Path(".fuzz")
"""Corpora, findings, and how far all runs have come, in the folder in which it is run."""
WIRE = "wire"
SECONDS, MEGABYTES = 1, 1024
DONE = re.compile(r"^stat::number_of_executed_units:\s*(\d+)", re.MULTILINE)
REACHED = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)/(\d+\w+)")
NO_DISTURBANCE = {"-print_final_stats": 1, "-timeout": SECONDS, "-rss_limit_mb": MEGABYTES, "-verbosity": 1}


@dataclass(slots=True)
class Sum:
    """Of one door: its inputs so far, the places of our code that its corpus reaches, and the inputs in that corpus."""

    inputs: int = 0
    seconds: float = 0.0
    reached: int = 0
    corpus: int = 0


def folder_of(name: str) -> Path:
    return KEPT / name.replace(" ", "-")


@dataclass(frozen=True, slots=True)
class Share:
    """What one door gets of a run: inputs, or seconds if there are any."""

    inputs: int
    seconds: int = 0

    def __str__(self) -> str:
        return f"{self.seconds:,} s" if self.seconds else f"{self.inputs:,} inputs"


def fuzz(name: str, share: Share, seed: int) -> tuple[Sum, str]:
    """What one run of a door did, and its finding; "" if there is none."""
    from tests.fuzz.doors import DOORS

    door, corpus = DOORS[name], folder_of(name) / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, sample in enumerate(door.samples):
        (corpus / f"sample-{number}").write_bytes(sample)
    limit = {"-max_total_time": share.seconds} if share.seconds else {"-runs": share.inputs}
    options = NO_DISTURBANCE | limit | {"-max_len": door.longest, "-seed": seed}
    began = time.monotonic()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.fuzz.one_door", name),
            *(f"{option}={value}" for option, value in options.items()),
            f"-artifact_prefix={folder_of(name)}/finding-",
            str(corpus),
        ],
        capture_output=True,
        check=False,
    )
    said = done.stderr.decode("utf-8", "replace")
    reached = REACHED.findall(said)
    counted = DONE.search(said)
    result = Sum(
        int(counted.group(1)) if counted else 0,
        time.monotonic() - began,
        int(reached[-1][0]) if reached else 0,
        sum(1 for _ in corpus.iterdir()),
    )
    return result, "" if done.returncode == 0 else said[-3000:]


def without_atheris(name: str, share: Share, seed: int) -> tuple[Sum, str]:
    from hypothesis import HealthCheck, given, settings
    from hypothesis import seed as seeded
    from hypothesis import strategies as st

    from tests.fuzz.doors import DOORS

    door, began, inputs = DOORS[name], time.monotonic(), share.inputs  # hypothesis has no limit of time

    @st.composite
    def spoilt(draw: st.DrawFn) -> bytes:
        sample = draw(st.sampled_from(list(door.samples)))
        at, until = sorted((draw(st.integers(0, len(sample))), draw(st.integers(0, len(sample)))))
        return sample[:at] + draw(st.binary(max_size=40)) + sample[until:]

    @seeded(seed)
    @settings(max_examples=inputs, deadline=SECONDS * 1000, database=None, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=door.longest) | spoilt())
    def enter(data: bytes) -> None:
        door.enter(data)

    try:
        enter()
    except BaseException as fault:  # noqa: BLE001  # whatever it is, it is a finding
        return Sum(inputs, time.monotonic() - began), repr(fault)
    return Sum(inputs, time.monotonic() - began), ""


def over_the_wire(share: Share, seed: int) -> tuple[Sum, str]:
    from tests.fuzz.wire import fuzz_the_wire
    from tests.installation import Installation

    with (
        tempfile.TemporaryDirectory() as folder,
        Installation(Path(folder) / "data", workers=2, own="its broker and database are under the load too") as before,
        Progress(*Progress.get_default_columns(), MofNCompleteColumn(), transient=True) as progress,
    ):
        task = progress.add_task(WIRE, total=None if share.seconds else share.inputs)
        began = time.monotonic()
        run = fuzz_the_wire(
            sys.maxsize if share.seconds else share.inputs,
            seed,
            KEPT,
            lambda sent: progress.update(task, completed=sent),
            before,
            share.seconds or math.inf,
        )
        seconds = time.monotonic() - began
    for number, (_, data) in enumerate(run.findings):
        folder_of(WIRE).mkdir(parents=True, exist_ok=True)
        (folder_of(WIRE) / f"finding-{seed}-{number}").write_bytes(data)
    answers = ", ".join(f"{status}: {count:,}" for status, count in sorted(run.answers.items()))
    Console().print(f"{WIRE}: {answers}; slowest {run.slowest:.2f} s, a process grew by {run.growth} MB at most")
    return Sum(sum(run.answers.values()), seconds), "\n".join(f"{why}: {data[:300]!r}" for why, data in run.findings)


def table(sums: dict[str, Sum]) -> Table:
    found = Table(title="Inputs of all runs", title_justify="left")
    for heading in ("door", "inputs", "a second", "places reached", "corpus"):
        found.add_column(heading, justify="left" if heading == "door" else "right")
    for name, each in sums.items():
        rate = each.inputs / each.seconds if each.seconds else 0.0
        found.add_row(name, f"{each.inputs:,}", f"{rate:,.0f}", f"{each.reached:,}", f"{each.corpus:,}")
    found.add_row("all", f"{sum(each.inputs for each in sums.values()):,}", "", "", "")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    from tests.fuzz.doors import DOORS

    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("doors", nargs="*", choices=[[], *DOORS, WIRE], help="these doors alone")
    parser.add_argument("--inputs", type=int, default=1_000_000, help="how many inputs, over all doors")
    parser.add_argument(
        "--minutes", type=int, default=0, help="share this time between the doors, whatever it is enough for"
    )
    parser.add_argument("--again", type=Path, metavar="FILE", help="enter with the content of this file")
    given = parser.parse_args(arguments)
    chosen = given.doors or [*DOORS, WIRE]
    if given.again is not None:
        if chosen[0] == WIRE:
            parser.error(f"send the file yourself: nc -N 127.0.0.1 8600 < {given.again}")
        DOORS[chosen[0]].enter(given.again.read_bytes())
        return 0
    state = KEPT / "sums.json"
    sums = {name: Sum() for name in (*DOORS, WIRE)}
    if state.exists():
        sums |= {name: Sum(**each) for name, each in json.loads(state.read_text()).items() if name in sums}
    in_process = fuzz if importlib.util.find_spec("atheris") else without_atheris
    console, failed = Console(), False
    for name in chosen:
        share, seed = Share(given.inputs // len(chosen), given.minutes * 60 // len(chosen)), Random().getrandbits(31)
        if name == WIRE:
            done, finding = over_the_wire(share, seed)
        else:
            with console.status(f"{name}: {share}"):
                done, finding = in_process(name, share, seed)
        before = sums[name]
        sums[name] = Sum(before.inputs + done.inputs, before.seconds + done.seconds, done.reached, done.corpus)
        KEPT.mkdir(exist_ok=True)
        state.write_text(json.dumps({each: asdict(of) for each, of in sums.items()}))
        if finding:
            failed = True
            console.print(
                f"[red]{name}: a finding[/]",
                finding,
                f"Again: python -m tests.fuzz {name} --again .fuzz/{name}/finding-...",
                sep="\n",
                highlight=False,
            )
    console.print(table(sums))
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
