"""`python -m tests.fuzz.one_door NAME LIBFUZZER-OPTIONS`: one door under atheris, which is guided by what of our code an input reaches."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["domain", "services"], enable_loader_override=False):
    from tests.fuzz.doors import DOORS


def main() -> None:
    name, *options = sys.argv[1:]
    door = DOORS[name]
    atheris.Setup([sys.argv[0], *options], door.enter)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
