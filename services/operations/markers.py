"""The markers of answers that come in pages. An operation accepts only markers that it gave itself.

A marker holds the operation and the last name of the page: `ListKeys:NAME`. Only characters of Latin-1 may stand in a request's
marker, and tag keys have others. Such a name is spelled in those characters: `ListResourceTags=SPELLED`. Where that is too
long, as for letters that UTF-16 writes as two, the operation is shortened too: `~abcSPELLED`.
"""

from __future__ import annotations

import re
from contextlib import suppress
from hashlib import sha256

from domain.errors import InvalidMarker
from services.operations.rows import Request

_AS_IT_IS = re.compile(r"[\x20-\xff]+")
"""What a marker may hold by the service models of KMS and IAM."""
_DIGITS = "".join(map(chr, [*range(0x21, 0x7F), *range(0xA1, 0x100)]))
"""As many as can be, since a marker of IAM has few characters: 128 Chinese ones take 272 of these, and 342 of Base64."""
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
MOST = 320
"""The characters that a marker of IAM has at most (IAM API reference, Marker)."""
PLANES = 0x40000
"""Every letter, number and separator of Unicode stands below. IAM's tag keys are made of these: 128 take at most 305 digits."""


def marker_after(request: Request, name: str) -> str:
    """The marker of a page that ends with the item of this name."""
    if _AS_IT_IS.fullmatch(name):
        return f"{request.operation}:{name}"
    in_utf_16 = b"\1" + name.encode("utf-16-be")  # behind a byte that keeps zeros in front
    marker = f"{request.operation}={_spelled(int.from_bytes(in_utf_16))}"
    if len(marker) <= MOST or ord(max(name)) >= PLANES:
        return marker
    number = 1
    for each in name:
        number = number * PLANES + ord(each)
    return shortened(request.operation) + _spelled(number)


def shortened(operation: str) -> str:
    return f"~{_spelled(int.from_bytes(sha256(operation.encode()).digest()))[:3]}"


def _spelled(number: int) -> str:
    spelled = ""
    while number:
        number, value = divmod(number, len(_DIGITS))
        spelled += _DIGITS[value]
    return spelled


def _number(spelled: str) -> int:
    """Raises KeyError for what `_spelled` never gives."""
    number = 0
    for digit in reversed(spelled):
        number = number * len(_DIGITS) + _VALUES[digit]
    return number


def _of_utf_16(number: int) -> str:
    """Raises ValueError, OverflowError for a number of no name."""
    return number.to_bytes((number.bit_length() + 7) // 8)[1:].decode("utf-16-be")


def _of_code_points(number: int) -> str:
    name = ""
    while number >= PLANES:
        number, point = divmod(number, PLANES)
        name = chr(point) + name
    return name if number == 1 else ""


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
            name = _of_utf_16(_number(marker.removeprefix(f"{request.operation}=")))
    elif marker.startswith(short := shortened(request.operation)):
        with suppress(KeyError):
            name = _of_code_points(_number(marker.removeprefix(short)))
    if not name:
        raise InvalidMarker("The marker is not one that an earlier answer gave.")
    return str(name)
