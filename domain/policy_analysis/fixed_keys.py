"""Condition keys whose values never change for a key: two policies of it need not be told apart by others."""

from __future__ import annotations

from collections.abc import Mapping

from domain.keys.key import Key
from domain.policy import unseen

NAMES = ("aws:resourceaccount", "kms:keyspec", "kms:keyusage", "kms:customermasterkeyspec",
         "kms:customermasterkeyusage", "kms:keyorigin", "kms:multiregion")  # fmt: skip


def known_of(key: Key) -> Mapping[str, tuple[str, ...]]:
    """Their values; none for a key of a trail of which not everything was seen."""
    return {} if unseen.unseen_of(key.tags) else {name: key.resource.context[name] for name in NAMES}
