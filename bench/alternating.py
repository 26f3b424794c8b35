"""`python -m bench.alternating CHECKOUT NAME ...`: the same benchmarks of this checkout and of another one in turn, and
the median of each figure side by side.

A figure is compared by its first number: calls per second are better if there are more, seconds and everything else if there are
fewer. A figure with a yardstick is the first number over that of the yardstick below it, so that a run in which the machine was
slow counts like the others. Set up the other checkout first (`make .venv/.dev` there).
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parents[1]
OUT = Path(__file__).with_name("out") / "alternating.json"
NUMBER = re.compile(r"(\d[\d,]*\.?\d*) ?(/s|records/s|rows/s|us|ms|s|MB|%)?")
YARDSTICK = "yardstick"
WORSE = 1.03
SECONDS = {"us": 1e-6, "ms": 1e-3}


def number_of(figure: str) -> tuple[float, bool] | None:
    """The first number in SI units, and whether more of it is better; None if the figure has no number."""
    found = NUMBER.search(figure)
    if found is None:
        return None
    unit = found[2] or ""
    return float(found[1].replace(",", "")) * SECONDS.get(unit, 1.0), unit.endswith("/s")


def measured(checkout: Path, names: list[str], seconds: float) -> list[tuple[str, str]]:
    """What `python -m bench` of a checkout says: (what, figure)."""
    python = checkout / ".venv" / "bin" / "python"
    command = [str(python), "-m", "bench", *names, "--seconds", str(seconds)]
    if subprocess.run(command, cwd=checkout, stdout=subprocess.DEVNULL).returncode:
        raise SystemExit(f"the benchmarks of {checkout} failed")
    read = json.loads((checkout / "bench" / "out" / "latest.json").read_text())
    return [(what, figure) for what, figure, _ in read["figures"]]


def costs(figures: list[tuple[str, str]]) -> dict[str, float]:
    """By figure, what is better if it is less: seconds, or the time of one call. With a yardstick, in units of that one."""
    found: dict[str, float] = {}
    last = ""
    for what, figure in figures:
        read = number_of(figure)
        if read is None or not read[0]:
            continue
        cost = 1 / read[0] if read[1] else read[0]
        if YARDSTICK in what:
            if last:
                found[last] /= cost
            last = ""
        elif not what.strip().startswith("share"):
            found[what], last = cost, what
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.alternating", description=(__doc__ or "").partition("\n\n")[0]
    )
    parser.add_argument("checkout", type=Path)
    parser.add_argument("names", nargs="+", help="benchmarks that both checkouts have")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8.0)
    asked = parser.parse_args()
    terminal = Console()
    runs: dict[str, list[list[tuple[str, str]]]] = {"here": [], "there": []}
    for run in range(asked.runs):
        for which in ("here", "there") if run % 2 else ("there", "here"):
            with terminal.status(f"run {run + 1} of {asked.runs}, {which}"):
                checkout = HERE if which == "here" else asked.checkout.resolve()
                runs[which].append(measured(checkout, asked.names, asked.seconds))
            OUT.parent.mkdir(exist_ok=True)
            OUT.write_text(json.dumps(runs, indent=1))  # what was measured before a fault took minutes, too
    return told(runs, terminal)


def told(runs: dict[str, list[list[tuple[str, str]]]], terminal: Console) -> int:
    """Print the comparison. Returns the exit code: 1 if a figure is worse than the other checkout's by over three percent."""
    found: dict[str, dict[str, list[float]]] = {which: defaultdict(list) for which in runs}
    shown: dict[str, dict[str, list[str]]] = {which: defaultdict(list) for which in runs}
    for which, all_of_it in runs.items():
        for figures in all_of_it:
            for what, figure in figures:
                shown[which][what].append(figure)
            for what, cost in costs(figures).items():
                found[which][what].append(cost)
    table = Table("what", "here", "there", "here/there", box=None, header_style="bold")
    worse = 0
    for what, here in found["here"].items():
        if there := found["there"].get(what):
            share = statistics.median(here) / statistics.median(there)
            worse += share > WORSE
            ends = [middle(shown[which][what]) for which in ("here", "there")]
            table.add_row(what, *ends, f"[red]{share:.3f}[/]" if share > WORSE else f"{share:.3f}")
    terminal.print(table)
    terminal.print("here/there: time, in units of the yardstick where there is one; less than 1 is better here")
    return 1 if worse else 0


def middle(figures: list[str]) -> str:
    """The figure whose number is the median."""
    ordered = sorted(figures, key=lambda each: (number_of(each) or (0.0, True))[0])
    return ordered[len(ordered) // 2]


if __name__ == "__main__":
    sys.exit(main())
