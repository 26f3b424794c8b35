"""Condition keys whose values are fixed for a key: its policies are compared only at these values."""

from __future__ import annotations

from collections.abc import Mapping

from domain.keys.key import Key, fixed_context
from domain.policy import unseen


def known_of(key: Key, *, of_trail: bool) -> Mapping[str, tuple[str, ...]]:
    """The values of these keys; {} for a key of a trail that was not fully seen."""
    return {} if of_trail and unseen.unseen_of(key.tags) else fixed_context(key)
