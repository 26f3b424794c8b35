"""Cases of a script, printed as the Test Anything Protocol has them; each runs whether or not the one before it failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def case(name: str) -> Callable[[Callable[[], Any]], None]:
    """Run the function now: it fails by raising."""

    def run(body: Callable[[], Any]) -> None:
        try:
            body()
        except Exception as error:  # whatever a client raises is what the case found
            first = (str(error).strip() or "no message").splitlines()
            print(f"not ok - {name}: {type(error).__name__}: {' '.join(first)[:400]}", flush=True)
        else:
            print(f"ok - {name}", flush=True)

    return run
