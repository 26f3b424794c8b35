"""A record as one line of ASCII, in the format of its device.

What callers chose (names, tags, user agents) is in these lines, and people read them on terminals. So every character
that is not a printable one of ASCII is escaped: line breaks and NUL, the C1 controls and DEL, U+2028 and U+2029, and what
changes the direction of text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import version
from typing import Any

import orjson

from services.audit_devices.records import DeviceRecord

Rendering = Callable[[DeviceRecord], bytes]
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True).encode


def line_of(document: Any) -> bytes:
    """JSON without a line break at its end."""
    with suppress(TypeError):  # half of a surrogate pair, or a number of more than 64 bits
        line = orjson.dumps(document)
        # orjson takes an eighth of the time. It leaves what is not ASCII as it is, and DEL, which is both rare.
        if line.isascii() and b"\x7f" not in line:
            return line
    return _encode(document).replace("\x7f", "\\u007f").encode("ascii")


def text_of(value: object) -> str:
    """As a line has it between quotes, for a field that is no JSON."""
    return line_of(str(value))[1:-1].decode("ascii")


def rendering(form: str, region: str) -> Rendering:
    """`form`: one of FORMATS."""
    return RENDERINGS[form](region)


def _json(region: str) -> Rendering:
    return lambda record: line_of(record.item)


def _ocsf(region: str) -> Rendering:
    from services.audit_devices.gap_events import ocsf_gap
    from services.exports.ocsf import event_of

    own = version("keytrail")

    def line(record: DeviceRecord) -> bytes:
        if record.is_gap:
            return line_of(ocsf_gap(record, own))
        event = event_of(record.item, region, own)
        event["metadata"]["uid"] = record.id
        return line_of(event)

    return line


def _cloudtrail(region: str) -> Rendering:
    from services.audit_devices.gap_events import cloudtrail_gap
    from services.exports.cloudtrail import record_of

    def line(record: DeviceRecord) -> bytes:
        if record.is_gap:
            return line_of(cloudtrail_gap(record, region))
        return line_of(record_of(record.item, region) | {"eventID": record.id})

    return line


RENDERINGS: Mapping[str, Callable[[str], Rendering]] = {"json": _json, "ocsf": _ocsf, "cloudtrail": _cloudtrail}
