"""What a device is given of one record: the call as /v1/decisions has it, with an id that tells duplicates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson

from projections.decisions.project import COLUMNS, Cases, row
from projections.log.entry import Entry
from services.rendering import call_of

GAP = "gap"
_OF_THE_CASE: dict[str, Any] = {"reasons": [], "resources": [], "materials": None, "session": None, "inputs": {}}
"""Members that are kept in the case of a call, with what they are where it has none."""


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """`id` is the same each time the record is written, and no other record has it. `item` is the call; of a gap, where it is
    and how many records it has. `at`: RFC 3339."""

    id: str
    at: str
    item: dict[str, Any]

    @property
    def is_gap(self) -> bool:
        return "call_id" not in self.item

    @property
    def refused(self) -> bool:
        return bool(self.item.get("effect") == "refused")


def id_of(digest: str) -> str:
    """A UUID (RFC 9562, version 8) made of the SHA-256 of a record's bytes on its topic, in hex. So a record that is written
    twice has one id, and so has a copy of it that somebody put onto the topic."""
    bits = int(digest[:32], 16)
    bits = bits & ~(0xF << 76) | 8 << 76  # the version
    return str(UUID(int=bits & ~(3 << 62) | 2 << 62))  # the variant


def records_of(entries: Iterable[Entry]) -> list[DeviceRecord]:
    """Without what Keytrail wrote about itself and decided no call. What calls have in common, their case, is worked out once for
    all of them."""
    cases, documents, found = Cases(), dict[bytes, dict[str, Any]](), []
    for each in entries:
        if each.document["call"] is None or each.document["decision"] is None:
            continue
        columns = dict(zip(COLUMNS, row(each, cases), strict=True))
        case_id = columns["case_id"]
        case = documents.get(case_id)
        if case is None:
            case = documents[case_id] = orjson.loads(cases.rows[case_id][-1])
        id = id_of(each.digest)
        place = {"topic": each.topic, "partition": each.partition, "offset": each.offset}
        shared = {name: case.get(name, missing) for name, missing in _OF_THE_CASE.items()}
        call = {"id": id} | call_of(columns) | shared | place
        found.append(DeviceRecord(id, call["at"], call))
    return found


@dataclass(frozen=True, slots=True)
class Gap:
    """Records of a partition that Kafka removed before a device held them for good: from `first` up to before `next`. Some may
    have reached it: of those that it had not confirmed, nobody knows. A process that is killed forgets what it had sent, so no
    gap can say which these are."""

    topic: str
    partition: int
    first: int
    next: int

    @property
    def count(self) -> int:
        return self.next - self.first

    def record(self, at: str) -> DeviceRecord:
        named = f"{GAP} {self.topic} {self.partition} {self.first} {self.next}"
        id = id_of(sha256(named.encode()).hexdigest())
        place = {"topic": self.topic, "partition": self.partition, "first": self.first, "next": self.next}
        return DeviceRecord(id, at, {"id": id, "type": GAP, "at": at, **place, "count": self.count})
