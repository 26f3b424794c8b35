"""`python -m services.console.checks`: types of the audit API, type check, linter and unit tests of the console's pages.

`types` makes the types alone, `dev` runs Vite's development server. Both want `make console` first.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson

from services.audit_api.openapi import document
from services.audit_api.resources.routes import ROUTES
from services.console.build import MADE, SOURCES, node
from services.inherited import for_build

TYPES = SOURCES / "src/v1/schema.d.ts"
OPENAPI = MADE / "openapi.json"
URL = "KEYTRAIL_URL"
ENVIRONMENT = for_build() | {name: os.environ[name] for name in (URL,) if name in os.environ}
PACKAGES = SOURCES / "node_modules"
STEPS: dict[str, list[list[str | Path]]] = {
    "check": [
        [PACKAGES / "typescript/bin/tsc", "--noEmit"],
        [PACKAGES / "eslint/bin/eslint.js", ".", "--max-warnings", "0"],
        [PACKAGES / "vitest/vitest.mjs", "run", "--silent"],
    ],
    "types": [],
    "dev": [[PACKAGES / "vite/bin/vite.js"]],
}


def make_types() -> None:
    """The description of the audit API becomes types. They are made each time, so they cannot be out of step, and are not
    committed."""
    described = orjson.dumps(_with_whole_answers(document(ROUTES)))
    if TYPES.exists() and OPENAPI.exists() and OPENAPI.read_bytes() == described:
        return
    OPENAPI.write_bytes(described)
    TYPES.unlink(missing_ok=True)
    run([PACKAGES / "openapi-typescript/bin/cli.js", OPENAPI, "-o", TYPES])


def _with_whole_answers(described: dict[str, Any]) -> dict[str, Any]:
    """The description, which now says that an answer has all of its members. Keytrail sends each of them, null where there is
    nothing; a client that others wrote need not rely on it."""
    for methods in described["paths"].values():
        for operation in methods.values():
            for media in operation["responses"]["200"]["content"].values():
                _require_all(media["schema"])
    return described


def _require_all(schema: Any) -> None:
    match schema:
        case list():
            for each in schema:
                _require_all(each)
        case dict():
            if isinstance(schema.get("properties"), dict):
                schema.setdefault("required", sorted(schema["properties"]))
            for each in schema.values():
                _require_all(each)
        case _:
            pass


def run(command: list[str | Path]) -> None:
    """Raises CalledProcessError."""
    subprocess.run([str(node()), *map(str, command)], cwd=SOURCES, env=ENVIRONMENT, check=True)  # noqa: S603  # see STEPS


def main() -> int:
    name = sys.argv[1] if len(sys.argv) > 1 else "check"
    try:
        make_types()
        for step in STEPS[name]:
            run(step)
    except subprocess.CalledProcessError as fault:
        return fault.returncode
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
