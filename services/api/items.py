"""Rows of the projections as the audit API's items, and pages of them."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any

import orjson

from services.api.explaining import OF_THE_CALLER

_HIDDEN = frozenset({"owners", "origin", "record", "case_id", "destination", "about"})


def page(items: list[dict[str, Any]], limit: int, cursor: list[Any] | None) -> dict[str, Any]:
    more = len(items) == limit and cursor is not None
    return {"items": items, "next": urlsafe_b64encode(json.dumps(cursor).encode()).decode() if more else None}


def utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def item(row: Any, documents: tuple[str, ...] = ()) -> dict[str, Any]:
    """A row as JSON: times in RFC 3339, the named columns parsed."""
    result: dict[str, Any] = {}
    for name, value in row.items():
        if name in _HIDDEN:
            continue
        if isinstance(value, datetime):
            value = utc(value)
        elif name in documents and value is not None:
            value = orjson.loads(value)
        result[name] = value
    return result


DOCUMENTS = ("encryption_context", "parameters", "reasons", "event", "resources", "materials", "session", "inputs")
_OWNERS_ALONE = ("decided_by", "policy_version", "sid", "statement", "reasons")


def call_item(row: Any, account: str) -> dict[str, Any]:
    """A call as an account may see it: what a policy says is for the account whose policy it is; all of it for "", who may
    read a trail."""
    result = item(row, DOCUMENTS)
    if not account:
        return result
    foreign_key = any(":key/" in resource and resource.split(":", 5)[4] != account for resource in result["resources"])
    foreign_caller = result["account"] != account and result["kind"] in OF_THE_CALLER
    if foreign_key or foreign_caller:
        result.update(dict.fromkeys(_OWNERS_ALONE))
        result.pop("inputs", None)  # the tags of another account's key or caller among them
    return result
