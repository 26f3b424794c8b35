"""How many things an account and a key may have. These are settings, with AWS's defaults.

Source: developer guide, limits (resource quotas); API reference, RotateKeyOnDemand.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """`keys` counts the keys that an account manages itself, in one region."""

    keys: int = 100_000
    aliases: int = 50
    """Of one key."""
    grants: int = 50_000
    """On one key."""
    on_demand_rotations: int = 25
