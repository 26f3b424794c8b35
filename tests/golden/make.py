"""Write the golden file of every event type without one: `python -m tests.golden.make`.

The values are made from the types of the event's fields. While the file is new, change them to realistic ones. Once it
is committed, it never changes. An existing file is left alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from domain.log.catalogue import CATALOGUE, EventType

HERE = Path(__file__).parent
PLACEHOLDER = "some "
"""How each text that is made here begins. A test refuses a file with such a text."""


def value(of: Any, name: str) -> Any:
    """Some JSON of this type that contains the field's name."""
    if of is str:
        return f"{PLACEHOLDER}{name}"
    if of in (int, bool):
        return of(1)
    origin, arguments = get_origin(of), get_args(of)
    if origin is UnionType:
        return value(arguments[0], name)
    if origin is Sequence:
        return [value(arguments[0], name)]
    if origin is Mapping:
        return {value(arguments[0], name): value(arguments[1], name)}
    raise TypeError(f"an event holds plain JSON, and no {of}")


def document(row: EventType) -> dict[str, Any]:
    types = get_type_hints(row.event)
    return {"type": row.wire, "data": {each.name: value(types[each.name], each.name) for each in fields(row.event)}}


def main() -> None:
    for row in CATALOGUE.values():
        path = HERE / f"{row.wire}.json"
        if not path.exists():
            path.write_text(json.dumps(document(row), indent=1) + "\n")
            print(path)


if __name__ == "__main__":
    main()
