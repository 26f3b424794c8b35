"""Documents that are made of tables: `python docs/generate.py` writes them, `--check` fails where one is not in step."""

from __future__ import annotations

import sys
import typing
from dataclasses import fields
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from domain.trail.catalogue import CATALOGUE, EventType
from services.api.openapi import ROUTES
from services.operations.rows import Changing, Listing, Using
from services.operations.table import OPERATIONS
from services.settings import table as settings_table

DOCS = Path(__file__).parent
MADE = "<!-- Made by docs/generate.py: change the table that it is made of, then run `make docs`. -->\n"


def event(row: EventType) -> str:
    hints = typing.get_type_hints(row.event)
    lines = [f"## {row.wire}", "", (row.event.__doc__ or "").strip().replace("\n    ", "\n"), ""]
    lines += ["| field | type |", "|---|---|"]
    lines += [f"| `{field.name}` | {_type(hints[field.name])} |" for field in fields(row.event)]
    return "\n".join(lines) + "\n"


def _type(hint: typing.Any) -> str:
    return hint.__name__ if isinstance(hint, type) else "object of strings"


def events() -> str:
    intro = """# Events

A record of `<prefix>.events` is one call with its decision and the event that it caused, or none where it was refused.
Its value is JSON in UTF-8 with sorted keys; its Kafka headers carry the CloudEvents attributes (binary content mode).

| member | meaning |
|---|---|
| `v` | version of the record's own form |
| `previous` | SHA-256, in hex, of the value of the last valid record before; `""` for the first. **A record is valid if and only if this is so.** |
| `seen` | the position that it was decided at |
| `at` | when, RFC 3339 in UTC; never before the record before it |
| `writer` | who decided it |
| `next_command` | offset in `<prefix>.commands` after the last command that is answered |
| `call` | id, access key, principal, account, source, agent, operation, parameters (no secrets), invocation; null for Keytrail's own |
| `decision` | effect, reasons (each permission asked, and the statement or rule that decided it), error, resources, inputs |
| `event` | `type` and `data` as below, or null |
| `repeats` | for a client's retry: position and resource of the first answer |

A record of `<prefix>.decisions` has `v`, `log`, `seen`, `at`, `call` and `decision` in the same form, and no chain.

A version of an event type is for ever: `tests/golden` holds one of each, and an old one is brought up to date when read
(`domain/trail/upcasters.py`).

"""
    return MADE + intro + "\n".join(event(row) for row in CATALOGUE.values())


def operations() -> str:
    kinds = {Changing: "changing: decided by the writer", Using: "on a key: decided on the present", Listing: "in the account: decided on the present"}  # fmt: skip
    lines = [
        "# Operations",
        "",
        "Every other operation of the KMS API answers UnsupportedOperationException.",
        "",
        "| operation | how | across accounts |",
        "|---|---|---|",
    ]
    for name, row in sorted(OPERATIONS.items()):
        lines.append(f"| {name} | {kinds[type(row)]} | {'yes' if getattr(row, 'cross_account', False) else 'no'} |")
    lines += ["", "# Audit API", "", "| | | |", "|---|---|---|"]
    lines += [f"| {route.method} | `{route.path.replace(':path', '')}` | {route.summary} |" for route in ROUTES]
    return MADE + "\n".join(lines) + "\n"


def settings() -> str:
    lines = ["# Settings", "", "| variable | default | meaning |", "|---|---|---|"]
    lines += [
        f"| `{name}` | {f'`{default}`' if default else ''} | {meaning} |" for name, default, meaning in settings_table()
    ]
    return MADE + "\n".join(lines) + "\n"


DOCUMENTS = {"events.md": events, "operations.md": operations, "settings.md": settings}


def main() -> int:
    stale = [
        name for name, make in DOCUMENTS.items() if not (DOCS / name).exists() or (DOCS / name).read_text() != make()
    ]
    if "--check" in sys.argv[1:]:
        for name in stale:
            sys.stderr.write(f"docs/{name} is not in step: run `make docs`\n")
        return 1 if stale else 0
    for name, make in DOCUMENTS.items():
        (DOCS / name).write_text(make())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
