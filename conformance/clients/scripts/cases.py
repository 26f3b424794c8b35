"""A script's cases, printed in the Test Anything Protocol. Each runs even if the one before it failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def case(name: str) -> Callable[[Callable[[], Any]], None]:
    """Run the function now. It fails if it raises."""

    def run(body: Callable[[], Any]) -> None:
        try:
            body()
        except Exception as error:  # any error of a client is the case's result
            first = (str(error).strip() or "no message").splitlines()
            print(f"not ok - {name}: {type(error).__name__}: {' '.join(first)[:400]}", flush=True)
        else:
            print(f"ok - {name}", flush=True)

    return run
