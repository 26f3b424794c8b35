"""How many examples a property is tried with, as the profile of this run says (conftest.py), and which parameters `make test` tries."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any

import pytest
from hypothesis import settings


def examples() -> int:
    default = settings.default
    assert default is not None
    return default.max_examples


def are_full() -> bool:
    """Whether this run is `make soak`."""
    return examples() > 1000


def with_all_in_soak(values: Iterable[Any], kinds: Container[Any]) -> list[Any]:
    """Parameters of a test: `kinds` in every run, one of each kind, and the others in a soak alone."""
    return [each if each in kinds else pytest.param(each, marks=pytest.mark.soak) for each in values]
