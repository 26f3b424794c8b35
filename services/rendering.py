"""Rows of the projections as the audit API's items, and pages of them."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any

import orjson

_HIDDEN = frozenset({"owners", "record", "case_id", "destination", "about"})
"""Columns that no answer shows."""


def page(items: list[dict[str, Any]], limit: int, cursor: list[Any] | None) -> dict[str, Any]:
    """A page of at most `limit` items. `cursor` says where the next page begins."""
    return {"items": items, "next": following(len(items), limit, cursor)}


def only_page(items: list[dict[str, Any]]) -> dict[str, Any]:
    """A page with all items, and no next page."""
    return {"items": items, "next": None}


def following(count: int, limit: int, cursor: list[Any] | None) -> str | None:
    """The member `next` of a page: null if the page is not full, since nothing follows it."""
    return cursor_of(cursor) if count == limit and cursor is not None else None


def cursor_of(parts: list[Any]) -> str:
    return urlsafe_b64encode(json.dumps(parts).encode()).decode()


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
"""Columns of `decisions` that hold JSON."""


def call_of(row: Any) -> dict[str, Any]:
    """A row of `decisions` with its documents parsed, for an Audience to choose from. Its `origin` is a partition and is
    never shown; the `origin` of a key is another thing."""
    call = item(row, DOCUMENTS)
    call.pop("origin", None)
    return call
