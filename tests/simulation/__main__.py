"""`python -m tests.simulation`: runs seeds, and tells the story of one that fails.

python -m tests.simulation 500                 seeds 0 to 499
python -m tests.simulation 20000 --resume      goes on where the last run ended, and adds up
python -m tests.simulation --seed 17           the story of one seed
python -m tests.simulation 2000 --break NAME   with a deliberate break in force, until it is found
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.simulation.breaks import BREAKS, broken
from tests.simulation.simulation import Outcome, shrunk, simulate

STATE = Path(".simulation.json")
"""How far `--resume` has come, in the folder in which it is run."""
AT_ONCE = 20


@dataclass(slots=True)
class Totals:
    """`virtual`, `real`: seconds. `next_seed`: where a run that resumes goes on."""

    next_seed: int = 0
    seeds: int = 0
    calls: int = 0
    alerts: int = 0
    virtual: float = 0.0
    real: float = 0.0

    def line(self) -> str:
        rate = self.virtual / self.real if self.real else 0.0
        return f"{self.seeds:,} seeds, {self.calls:,} calls, {self.alerts:,} alerts, {self.virtual:,.0f} virtual seconds, {rate:,.0f} in a second"


def some(first: int, count: int, name: str = "") -> tuple[int, int, float, list[int]]:
    """The calls, the alerts, the virtual seconds and the seeds that failed, of some seeds."""
    calls, alerts, seconds, failed = 0, 0, 0.0, []
    with broken(name) if name else nullcontext():
        for seed in range(first, first + count):
            outcome = simulate(seed)
            calls, seconds = calls + len(outcome.calls), seconds + outcome.seconds
            alerts += sum(outcome.alerts.values())
            if outcome.faults:
                failed.append(seed)
    return calls, alerts, seconds, failed


def many(first: int, count: int, processes: int, name: str = "") -> Iterator[tuple[Totals, list[int]]]:
    """Yields what came of the seeds, some at a time, in their order."""
    starts = range(first, first + count, AT_ONCE)
    sizes = [min(AT_ONCE, first + count - each) for each in starts]
    with ProcessPoolExecutor(processes) as pool:
        before = time.perf_counter()
        for start, size, (calls, alerts, seconds, failed) in zip(
            starts, sizes, pool.map(some, starts, sizes, [name] * len(sizes)), strict=True
        ):
            now = time.perf_counter()
            yield Totals(start + size, size, calls, alerts, seconds, now - before), failed
            before = now


def told(outcome: Outcome) -> str:
    """The story: what struck (*), what processes said, and what each client was told, in the order of time."""
    calls = [
        f"{each.ended:10.4f}  client {each.client} since {each.began:.4f}: {each.operation} "
        f"{each.parameters.get('Description', '')} {each.parameters.get('KeyId', '')[:8]} -> {each.status} {each.refused_as} "
        f"{each.request_id[:8]}"
        for each in outcome.calls
    ]
    head = f"seed {outcome.seed}: {len(outcome.calls)} calls in {outcome.seconds:.0f} virtual seconds"
    lines = sorted([*outcome.story, *calls], key=lambda line: float(line.split()[0]))
    return "\n".join([head, *lines, *(f"WRONG  {each}" for each in outcome.faults[:10])])


def _progress(done: Totals, of: int, *, ends: bool = False) -> None:
    if sys.stderr.isatty():
        print(f"\r{done.seeds / of:4.0%}  {done.line()}", end="\n" if ends else "", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("count", nargs="?", type=int, default=500, help="how many seeds")
    parser.add_argument("--seed", type=int, help="tell the story of this seed")
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first seed")
    parser.add_argument("--resume", action="store_true", help=f"go on where the last run ended ({STATE})")
    parser.add_argument("--break", dest="name", choices=sorted(BREAKS), default="", help="with a deliberate break")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args(arguments)
    if given.seed is not None:
        with broken(given.name) if given.name else nullcontext():
            outcome = simulate(given.seed)
            print(told(shrunk(outcome) if outcome.faults else outcome))
        return bool(outcome.faults)
    sums = Totals(**json.loads(STATE.read_text())) if given.resume and STATE.exists() else Totals(given.first)
    now = Totals(sums.next_seed)
    for found, failed in many(sums.next_seed, given.count, given.processes, given.name):
        for total in (sums, now):
            total.next_seed = found.next_seed
            total.seeds, total.calls = total.seeds + found.seeds, total.calls + found.calls
            total.alerts += found.alerts
            total.virtual, total.real = total.virtual + found.virtual, total.real + found.real
        _progress(now, given.count)
        if failed:
            with broken(given.name) if given.name else nullcontext():
                print(told(shrunk(simulate(failed[0]))))
            print(
                f"{len(failed)} of the last {AT_ONCE} seeds failed: {failed}. Again: python -m tests.simulation --seed {failed[0]}"
            )
            return 1
        if given.resume:
            STATE.write_text(json.dumps(asdict(sums)))
    _progress(now, given.count, ends=True)
    print(now.line() + (f"; in all {sums.line()}" if given.resume else ""))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
