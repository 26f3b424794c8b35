"""Turns old versions of event types into new ones, dict to dict, one step at a time.

A row turns `name.vN` into `name.vN+1`. For every version of every type, forever, there is a golden file in `tests/golden`;
a test reads each through this table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _without_principals(data: dict[str, Any]) -> dict[str, Any]:
    """The only identities then were roots, whose ARN has no unique id."""
    return {**data, "principals": {}}


def _of_customer(data: dict[str, Any]) -> dict[str, Any]:
    """No service managed keys then."""
    return {**data, "manager": "", "alias": ""}


UPCASTERS: dict[str, tuple[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "key.created.v1": ("key.created.v2", _without_principals),
    "key.created.v2": ("key.created.v3", _of_customer),
    "key.policy-replaced.v1": ("key.policy-replaced.v2", _without_principals),
}


def upcast(name: str, data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    while name in UPCASTERS:
        name, step = UPCASTERS[name]
        data = step(data)
    return name, data
