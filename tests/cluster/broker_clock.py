"""A broker with a wrong clock: Kafka asks for the time through one class, and the broker gets another build of it, which adds to what
the machine says.

libfaketime, which does that to any program, makes a JVM spin: its threads wait until a time that never comes. Nothing but Kafka's own
time is wrong here. Certificates are judged by the machine's.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from zipfile import ZipFile

SYSTEM_TIME = "org/apache/kafka/common/utils/SystemTime.class"
UTF8, LONG = 1, 5
SIZES = {3: 4, 4: 4, 5: 8, 6: 8, 7: 2, 8: 2, 9: 4, 10: 4, 11: 4, 12: 4, 15: 3, 16: 2, 17: 4, 18: 4, 19: 2, 20: 2}
"""By tag of a constant: its bytes (The Java Virtual Machine Specification, 4.4). A long or double takes two numbers."""
INVOKESTATIC, LDC2_W, LADD, LRETURN = 0xB8, 0x14, 0x61, 0xAD


def jar_of(jars: Sequence[Path], folder: Path, ahead: int) -> Path:
    """A jar for the beginning of a broker's class path. Its clock is `ahead` seconds ahead."""
    clients = next(each for each in jars if each.name.startswith("kafka-clients-"))
    with ZipFile(clients) as found:
        content = wrong_time(found.read(SYSTEM_TIME), ahead * 1000)
    path = folder / f"clock{ahead}.jar"
    with ZipFile(path, "w") as made:
        made.writestr(SYSTEM_TIME, content)
    return path


def wrong_time(content: bytes, millis: int) -> bytes:
    """The class file of SystemTime, whose `milliseconds` returns so many milliseconds more."""
    count, names, end = _constants(content)
    at = _code_of(content, names, end, "milliseconds")
    (length,) = struct.unpack_from(">I", content, at + 4)
    code = content[at + 8 : at + 8 + length]
    assert (code[0], code[3:]) == (INVOKESTATIC, bytes([LRETURN])), "milliseconds() says something else in this version"
    added = code[:3] + struct.pack(">BHBB", LDC2_W, count, LADD, LRETURN)
    (attribute,) = struct.unpack_from(">I", content, at - 4)
    # Two longs on the stack, its local variables, no handlers, and no tables for debuggers, which would have other lengths now.
    body = (
        struct.pack(">H", 4)
        + content[at + 2 : at + 4]
        + struct.pack(">I", len(added))
        + added
        + struct.pack(">HH", 0, 0)
    )
    return b"".join(
        (
            content[:8],
            struct.pack(">H", count + 2),
            content[10:end],
            struct.pack(">Bq", LONG, millis),
            content[end : at - 4],
            struct.pack(">I", len(body)),
            body,
            content[at + attribute :],
        )
    )


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
