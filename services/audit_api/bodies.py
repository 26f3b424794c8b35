"""Reads the bodies of requests."""

from __future__ import annotations

from typing import Any

import orjson

from services.audit_api.faults import invalid
from services.kms_api.bounds import parsed


def document_in(body: bytes, expected: str) -> dict[str, Any]:
    """Raises WireError with the text `expected`, which says what the body must be."""
    try:
        found = parsed(body)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise invalid(expected)
    return found


def text_in(body: dict[str, Any], name: str, expected: str) -> str:
    """Raises WireError."""
    found = body.get(name) or ""
    if not isinstance(found, str) or "\0" in found:
        raise invalid(expected)
    return found
