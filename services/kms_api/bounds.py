"""How much a request may bring to conditions. This is checked before any permission is asked, so that policies are
never evaluated on more.

The model's shapes have some bounds (a tag's name has at most 128 characters), and shapes.py adds others; the rest are
here. AWS's documents give no bound for an encryption context. A grant takes 8 pairs of 384 characters, a key 50 tags.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from services.kms_api.errors import InvalidShape

SMALL = 512
"""A request with fewer bytes cannot exceed these bounds."""
MOST_PAIRS = 64
MOST_CHARACTERS = 8192
"""The most characters of all names and values of one encryption context together."""
CONTEXTS = ("EncryptionContext", "SourceEncryptionContext", "DestinationEncryptionContext")


MOST_PARTS = 20_000
"""The most commas in a body: 256 kB of empty objects would take 9 MB. A policy of 32 kB has fewer."""
MOST_OBJECTS = 5_000
"""The most opening braces, including those in the text of policies: two policies of 32 kB have fewer."""


def parsed(body: bytes) -> Any:
    """The document in a body. Raises JSONDecodeError, also for a document with too many parts."""
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
