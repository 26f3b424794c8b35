"""The markers of answers that come in pages. An operation accepts only markers that it gave itself."""

from __future__ import annotations

from domain.errors import InvalidMarker
from services.operations.rows import Request


def marker_after(request: Request, name: str) -> str:
    """The marker of a page that ends with the item of this name."""
    return f"{request.operation}:{name}"


def after_marker(request: Request) -> str:
    """The name after which the page begins, "" for the first page. Raises InvalidMarker for a marker that the operation
    never gave."""
    marker = request.get("Marker")
    if marker is None:
        return ""
    operation, colon, name = marker.partition(":")
    if not colon or not name or operation != request.operation:
        raise InvalidMarker("The marker is not one that an earlier answer gave.")
    return str(name)
