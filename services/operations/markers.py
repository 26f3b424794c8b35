"""The markers of answers that come in pages. An operation accepts only markers that it gave itself.

A marker holds the operation and the last name of the page: `ListKeys:NAME`. Only characters of Latin-1 may stand in a request's
marker, and tag keys have others. Such a name is spelled in those characters: `ListResourceTags=SPELLED`.
"""

from __future__ import annotations

import re
from contextlib import suppress

from domain.errors import InvalidMarker
from services.operations.rows import Request

_AS_IT_IS = re.compile(r"[\x20-\xff]+")
"""What a marker may hold by the service models of KMS and IAM."""
_DIGITS = "".join(map(chr, [*range(0x21, 0x7F), *range(0xA1, 0x100)]))
"""As many as can be, since a marker of IAM has at most 320 characters: 128 Chinese ones take 272 of these, and 342 of Base64."""
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}


def marker_after(request: Request, name: str) -> str:
    """The marker of a page that ends with the item of this name."""
    if _AS_IT_IS.fullmatch(name):
        return f"{request.operation}:{name}"
    return f"{request.operation}={_spelled(name)}"


def _spelled(name: str) -> str:
    """The name's UTF-16 as one number, behind a byte that keeps zeros in front."""
    number, spelled = int.from_bytes(b"\1" + name.encode("utf-16-be")), ""
    while number:
        number, value = divmod(number, len(_DIGITS))
        spelled += _DIGITS[value]
    return spelled


def _read(spelled: str) -> str:
    """Raises KeyError, ValueError for what `_spelled` never gives."""
    number = 0
    for digit in reversed(spelled):
        number = number * len(_DIGITS) + _VALUES[digit]
    return number.to_bytes((number.bit_length() + 7) // 8)[1:].decode("utf-16-be")


def after_marker(request: Request) -> str:
    """The name after which the page begins, "" for the first page. Raises InvalidMarker for a marker that the operation
    never gave."""
    marker = request.get("Marker")
    if marker is None:
        return ""
    name = ""
    if marker.startswith(f"{request.operation}:"):
        name = marker.removeprefix(f"{request.operation}:")
    elif marker.startswith(f"{request.operation}="):
        with suppress(KeyError, ValueError):
            name = _read(marker.removeprefix(f"{request.operation}="))
    if not name:
        raise InvalidMarker("The marker is not one that an earlier answer gave.")
    return str(name)
