"""Writes calls in a format: from pages of JSON on the standard input to the file on the standard output.

A process of its own because the formats take tens of microseconds a call and Python has one lock: beside the loop of an API
worker, a million calls would slow every caller down for a minute. It has no key, no connection and no secret, and it ends with
its input.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import orjson

from services.exports.formats import CallFormat
from services.shares import give_way


class CountedPipe:
    """A pipe that knows how much was written to it: Parquet's writer asks for that."""

    closed = False

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe
        self._written = 0

    def write(self, data: Any) -> int:
        count = self._pipe.write(data)
        self._written += count
        return count

    def tell(self) -> int:
        return self._written

    def flush(self) -> None:
        self._pipe.flush()


def calls_in(pages: BinaryIO) -> Iterator[dict[str, Any]]:
    """Each line of `pages` is a list of calls."""
    for page in pages:
        yield from orjson.loads(page)


def main(form: str, region: str) -> None:
    give_way()
    file = CountedPipe(sys.stdout.buffer)
    CallFormat[form.upper()].write(calls_in(sys.stdin.buffer), region, cast(BinaryIO, file))
    file.flush()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except BrokenPipeError:
        sys.exit(1)  # nobody reads any longer
