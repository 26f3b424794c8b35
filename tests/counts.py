"""How many examples a property is tried with, as the profile of this run says (conftest.py)."""

from __future__ import annotations

from hypothesis import settings


def examples() -> int:
    default = settings.default
    assert default is not None
    return default.max_examples


def are_full() -> bool:
    """Whether this run is `make soak`."""
    return examples() > 1000
