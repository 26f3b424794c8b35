"""A record as a syslog message (RFC 5424) in a frame of octet counting (RFC 5425, section 4.3).

    FRAME: 4711 <110>1 2026-11-29T09:00:00.000000Z HOST keytrail - decision [keytrail@32473 id="..." ...] {"id":...}

The message is the JSON of the record, in ASCII. The facility is 13 (log audit). A refused call is a warning (4), an allowed
one is informational (6), and a gap is an error (3).
"""

from __future__ import annotations

import re

from services.audit_devices.lines import Rendering, text_of
from services.audit_devices.records import DeviceRecord

FACILITY = 13
ERROR, WARNING, INFORMATIONAL = 3, 4, 6
_SHOWN = ("account", "principal", "operation", "effect", "call_id")
"""What of a call is in the structured data too, so that a server can sort by it without reading JSON."""
_NOT_PRINTED = re.compile(r"[^\x21-\x7e]")
_ESCAPED = re.compile(r'(["\\\]])')


def host_name(name: str) -> str:
    """A HOSTNAME: 255 printable characters of ASCII at most, "-" if there is none."""
    return _NOT_PRINTED.sub("", name)[:255] or "-"


def escaped(value: str) -> str:
    """A PARAM-VALUE (section 6.3.3). First whatever is not printable ASCII becomes an escape of JSON, so that no server has to
    guess what it means."""
    return _ESCAPED.sub(r"\\\1", text_of(value))


class SyslogFrames:
    """`enterprise`: the private enterprise number under which the structured data is named."""

    def __init__(self, rendering: Rendering, host: str, enterprise: int) -> None:
        self._rendering = rendering
        self._from = f" {host_name(host)} keytrail - "
        self._data = f"[keytrail@{enterprise} "

    def frame(self, record: DeviceRecord) -> bytes:
        severity = ERROR if record.is_gap else WARNING if record.refused else INFORMATIONAL
        kind = "gap" if record.is_gap else "decision"
        shown = {"id": record.id} | {name: record.item[name] for name in _SHOWN if record.item.get(name)}
        data = " ".join(f'{name}="{escaped(str(value))}"' for name, value in shown.items())
        head = f"<{FACILITY * 8 + severity}>1 {record.at}{self._from}{kind} {self._data}{data}] "
        message = head.encode("ascii") + self._rendering(record)
        return b"%d %b" % (len(message), message)
