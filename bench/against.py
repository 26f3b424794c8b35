"""`python -m bench.against CHECKOUT`: Encrypt at 64 connections, here and in another checkout, in alternating pairs.

Both installations run all the time, each with its own servers, and one of them gets calls at a time. Each pair begins
with new processes, because memory layout alone makes one process a tenth faster than the next of the same code. A pair
consists of short turns, here and there, so that other work of the machine affects both alike. A turn begins when the
followers of the turn before say that they have caught up, so that neither version pays for the other: alert workers of
a164a46 stand still for a second while they have a hundred thousand records to judge. Set up the other checkout first
(`make .venv/.run` there).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from bench import load
from bench.__main__ import encrypt_body
from bench.installed import Installed

PAIRS, TURNS = 7, 4
ANEW = ("api-1", "projector", "alerts-1")
WARM = 2.0  # seconds


def _rate(installed: Installed, key: str, seconds: float) -> float:
    """Calls a second. Each turn signs again, since a signature is good for five minutes."""
    request = load.signed(installed.url, installed.credentials, "Encrypt", encrypt_body(key))
    result = load.run(installed.url, request, 64, seconds)
    assert not result.errors, f"{result.errors} errors"
    return result.rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--seconds", type=float, default=8.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        here = Installed(Path(folder) / "here")
        there = Installed(Path(folder) / "there", checkout=asked.checkout.resolve())
        with here, there:
            both = [(each, each.client().create_key()["KeyMetadata"]["KeyId"]) for each in (here, there)]
            shares = []
            for _ in range(asked.pairs):
                for each, key in both:
                    each.anew(*ANEW)
                    _rate(each, key, WARM)
                    each.until_followed()
                rates: tuple[list[float], list[float]] = [], []
                for turn in range(TURNS):
                    for which in (0, 1) if turn % 2 else (1, 0):
                        rates[which].append(_rate(*both[which], asked.seconds / TURNS))
                        both[which][0].until_followed()
                ours, theirs = map(statistics.mean, rates)
                shares.append(ours / theirs)
                print(f"{ours:,.0f}/s here, {theirs:,.0f}/s there: {shares[-1]:.3f}", flush=True)
            print(f"median of {asked.pairs} pairs: {statistics.median(shares):.3f}")


if __name__ == "__main__":
    main()
