"""What a request may bring to conditions: bounded before any permission is asked, so that no policy is asked of more.

The model's shapes have bounds of their own (a tag's name has 128 characters), and shapes.py adds bounds that they
lack; the rest is bounded here. AWS's documents name no bound of an encryption context; grants take 8 pairs of 384
characters, a key 50 tags.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from services.kms_api.errors import InvalidShape

SMALL = 512
"""Bytes of a request below which nothing can be beyond these bounds."""
MOST_PAIRS = 64
MOST_CHARACTERS = 8192
"""Of the names and values of one encryption context together."""
CONTEXTS = ("EncryptionContext", "SourceEncryptionContext", "DestinationEncryptionContext")


MOST_PARTS = 20_000
"""Commas in a body: one of 256 kB that is nothing but empty objects would take 9 MB. A policy of 32 kB has fewer."""
MOST_OBJECTS = 5_000
"""Opening braces, those in a policy's text among them: two policies of 32 kB have fewer."""


def parsed(body: bytes) -> Any:
    """The document of a body. Raises JSONDecodeError, also for one of too many parts."""
    if len(body) > MOST_PARTS and (body.count(b",") > MOST_PARTS or body.count(b"{") > MOST_OBJECTS):
        raise orjson.JSONDecodeError(f"a body has at most {MOST_PARTS} parts", "", 0)
    return orjson.loads(body)


def require_bounded(parameters: Mapping[str, Any]) -> None:
    """Raises InvalidShape."""
    for name in CONTEXTS:
        if name in parameters:
            require_pairs(name, parameters[name])
    constraints = parameters.get("Constraints")
    if constraints is not None:
        for name, value in constraints.items():
            if isinstance(value, dict):
                require_pairs(f"constraints.{name}", value)


def require_pairs(name: str, pairs: Mapping[str, str]) -> None:
    """Raises InvalidShape."""
    if len(pairs) > MOST_PAIRS:
        raise _fault(name, f"at most {MOST_PAIRS} pairs")
    if sum(map(len, pairs)) + sum(map(len, pairs.values())) > MOST_CHARACTERS:
        raise _fault(name, f"names and values of at most {MOST_CHARACTERS} characters together")


def _fault(name: str, must: str) -> InvalidShape:
    path = name[:1].lower() + name[1:]
    return InvalidShape(
        f"1 validation error detected: Value at '{path}' failed to satisfy constraint: Member must have {must}"
    )
