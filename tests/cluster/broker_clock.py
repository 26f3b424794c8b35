"""A broker with a wrong clock: Kafka asks for the time through one class, and the broker gets another build of it, which adds to what
the machine says. How much, a property of the JVM says: so there is one class path for every wrong clock, whose classes the JVM can load
from one cache. `python -m tests.cluster.broker_clock` makes that cache.

libfaketime, which does that to any program, makes a JVM spin: its threads wait until a time that never comes. Nothing but Kafka's own
time is wrong here. Certificates are judged by the machine's.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile, ZipInfo

from services.adapters.bundled.class_caches import FOLDER
from services.adapters.bundled.jars import CACHE, class_path
from services.adapters.bundled.make_class_caches import make_in
from services.ownership import make_own

AHEAD = "keytrail.test.ahead"
"""The property: milliseconds by which the clock is ahead."""
SYSTEM_TIME = "org/apache/kafka/common/utils/SystemTime.class"
UTF8, CLASS, STRING, METHOD, NAME_AND_TYPE = 1, 7, 8, 10, 12
SIZES = {3: 4, 4: 4, 5: 8, 6: 8, 7: 2, 8: 2, 9: 4, 10: 4, 11: 4, 12: 4, 15: 3, 16: 2, 17: 4, 18: 4, 19: 2, 20: 2}
"""By tag of a constant: its bytes (The Java Virtual Machine Specification, 4.4). A long or double takes two numbers."""
INVOKESTATIC, INVOKEVIRTUAL, LDC_W, LCONST_0, LADD, LRETURN = 0xB8, 0xB6, 0x13, 0x09, 0x61, 0xAD


def jar_of(jars: Sequence[Path]) -> Path:
    """The jar for the beginning of such a broker's class path, in a folder of its own. Raises NotOurs."""
    clients = next(each for each in jars if each.name.startswith("kafka-clients-"))
    with ZipFile(clients) as found:
        content = wrong_time(found.read(SYSTEM_TIME))
    written = BytesIO()
    with ZipFile(written, "w") as made:
        made.writestr(ZipInfo(SYSTEM_TIME), content)
    path = FOLDER / f"clock-{sha256(content).hexdigest()[:16]}" / "clock.jar"
    if not path.exists():  # the JVM takes a cache for another one's when a jar is younger
        make_own(FOLDER)
        make_own(path.parent)
        part = path.with_name(f"{os.getpid()}.jar")
        part.write_bytes(written.getvalue())
        part.replace(path)
    return path


def wrong_time(content: bytes) -> bytes:
    """The class file of SystemTime, whose `milliseconds` adds what the property says."""
    count, names, end = _constants(content)
    at = _code_of(content, names, end, "milliseconds")
    (length,) = struct.unpack_from(">I", content, at + 4)
    code = content[at + 8 : at + 8 + length]
    assert (code[0], code[3:]) == (INVOKESTATIC, bytes([LRETURN])), "milliseconds() says something else in this version"
    more = _Constants(count)
    long = more.add(CLASS, more.text("java/lang/Long"))
    asked = more.method(long, "getLong", "(Ljava/lang/String;J)Ljava/lang/Long;")
    value = more.method(long, "longValue", "()J")
    named = more.add(STRING, more.text(AHEAD))
    added = code[:3] + struct.pack(
        ">BHBBHBHBB", LDC_W, named, LCONST_0, INVOKESTATIC, asked, INVOKEVIRTUAL, value, LADD, LRETURN
    )
    (attribute,) = struct.unpack_from(">I", content, at - 4)
    # Two longs and a reference on the stack, its local variables, no handlers, and no tables for debuggers, which would have other
    # lengths now.
    body = (
        struct.pack(">H", 5)
        + content[at + 2 : at + 4]
        + struct.pack(">I", len(added))
        + added
        + struct.pack(">HH", 0, 0)
    )
    return b"".join(
        (
            content[:8],
            struct.pack(">H", more.count),
            content[10:end],
            bytes(more.content),
            content[end : at - 4],
            struct.pack(">I", len(body)),
            body,
            content[at + attribute :],
        )
    )


class _Constants:
    """Constants that are added to those of a class, and their numbers."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.content = bytearray()

    def add(self, tag: int, *numbers: int) -> int:
        return self._added(struct.pack(f">B{len(numbers)}H", tag, *numbers))

    def text(self, text: str) -> int:
        return self._added(struct.pack(">BH", UTF8, len(text)) + text.encode())

    def method(self, of: int, name: str, kind: str) -> int:
        return self.add(METHOD, of, self.add(NAME_AND_TYPE, self.text(name), self.text(kind)))

    def _added(self, constant: bytes) -> int:
        self.content += constant
        self.count += 1
        return self.count - 1


def _constants(content: bytes) -> tuple[int, dict[int, str], int]:
    """(how many numbers the constants take, the texts by number, where the constants end)"""
    (count,) = struct.unpack_from(">H", content, 8)
    names, number, at = {}, 1, 10
    while number < count:
        tag = content[at]
        if tag == UTF8:
            (size,) = struct.unpack_from(">H", content, at + 1)
            names[number] = content[at + 3 : at + 3 + size].decode()
            at += 3 + size
        else:
            at += 1 + SIZES[tag]
        number += 2 if tag in (5, 6) else 1
    return count, names, at


def _code_of(content: bytes, names: dict[int, str], at: int, method: str) -> int:
    """Where the code of a method begins: its attribute's content."""
    (interfaces,) = struct.unpack_from(">H", content, at + 6)
    at += 8 + 2 * interfaces
    for wanted in (None, method):  # fields, then methods
        (members,) = struct.unpack_from(">H", content, at)
        at += 2
        for _ in range(members):
            name, attributes = struct.unpack_from(">2x H 2x H", content, at)
            at += 8
            for _ in range(attributes):
                kind, size = struct.unpack_from(">HI", content, at)
                at += 6
                if names[name] == wanted and names[kind] == "Code":
                    return at
                at += size
    raise AssertionError(f"no code of {method}")


if __name__ == "__main__":
    every = class_path(CACHE, lambda done, count: None)
    own = jar_of(every)
    make_in(own.parent, [own, *every])
