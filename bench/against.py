"""`python -m bench.against CHECKOUT`: Encrypt at 64 connections here and in another checkout, in alternating pairs.

Both installations run all the time, each with its own servers, and one of them is asked at a time: what the machine does
besides falls on both alike. The other checkout has to be set up (`make .venv/.run` there).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from bench import load
from bench.__main__ import encrypt_body
from bench.installed import Installed

PAIRS = 7


def _rate(installed: Installed, key: str, seconds: float) -> float:
    """Calls a second; signed anew each time, since a signature is good for five minutes."""
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
            for each, key in both:
                _rate(each, key, 4)
            shares = []
            for number in range(asked.pairs):
                rates = {which: _rate(*both[which], asked.seconds) for which in ((0, 1) if number % 2 else (1, 0))}
                shares.append(rates[0] / rates[1])
                print(f"{rates[0]:,.0f}/s here, {rates[1]:,.0f}/s there: {shares[-1]:.3f}", flush=True)
            print(f"median of {asked.pairs} pairs: {statistics.median(shares):.3f}")


if __name__ == "__main__":
    main()
