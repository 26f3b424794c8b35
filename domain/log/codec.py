"""Records to bytes and back. The chain's digests are made of the bytes on the topic.

JSON in UTF-8 with sorted keys and no spaces: a reader needs no library to check the log, and the same record always has the
same bytes.
"""

from __future__ import annotations

import json
import re
from dataclasses import fields
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from domain.durations import DAY_SECONDS, SECOND_MICROS
from domain.log.catalogue import CATALOGUE, WIRE_NAMES, EventType
from domain.log.levels import LEVEL, LevelRaised, why_unknown
from domain.log.record import JSON, Call, Decision, Document, Record, Repeat
from domain.log.upcasters import upcast

RECORD_VERSION = 1


class Unreadable(Exception):
    """The bytes are not a record of a version that this program knows."""


def rfc3339(at: int) -> str:
    """Microseconds since the epoch as RFC 3339 in UTC, always with six decimals, so that times sort correctly as text."""
    return f"{_second(at // SECOND_MICROS)}.{at % SECOND_MICROS:06d}Z"


@lru_cache(maxsize=16)  # thousands of calls fall into one second
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]


def micros(text: str) -> int:
    """The inverse of rfc3339. Raises ValueError if the text is not a time; a time without a zone is UTC."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return micros_of(moment)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros_of(moment: datetime) -> int:
    """The exact number of microseconds since the epoch; `moment` has a time zone."""
    delta = moment - _EPOCH
    return (delta.days * DAY_SECONDS + delta.seconds) * SECOND_MICROS + delta.microseconds


def canonical(document: Document) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def event_document(event: object) -> dict[str, JSON]:
    name = WIRE_NAMES[type(event)]
    return {"type": name, "data": {field.name: getattr(event, field.name) for field in fields(event)}}  # type: ignore[arg-type]  # every catalogued event is a dataclass


def event_from(document: Document) -> object:
    """The event, brought up to its newest version. Raises Unreadable for a type that is not in the catalogue, and at a level that
    this version does not know."""
    name, data = upcast(document["type"], dict(document["data"]))
    row: EventType | None = CATALOGUE.get(name)
    if row is None:
        raise Unreadable(f"event type {name!r} is not in the catalogue: this log was written by a newer Keytrail")
    event: object = row.event(**data)
    if isinstance(event, LevelRaised) and event.level > LEVEL:
        raise Unreadable(why_unknown(event.level, event.version))
    return event


def document_of(record: Record) -> dict[str, JSON]:
    return {
        "v": RECORD_VERSION,
        "previous": record.previous,
        "seen": record.seen,
        "at": rfc3339(record.at),
        "writer": record.writer,
        "next_command": record.next_command,
        "call": record.call.document() if record.call else None,
        "decision": record.decision.document() if record.decision else None,
        "event": event_document(record.event) if record.event is not None else None,
        "repeats": {"position": record.repeats.position, "resource": record.repeats.resource}
        if record.repeats
        else None,
    }


def encode(record: Record) -> bytes:
    return canonical(document_of(record))


DEEPEST = 200
"""Levels of nesting in a value from a topic: four times what a request may have, and far below what breaks a parser."""
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
"""Matches an unfinished string too, and reads no byte twice: anybody may have written the text."""
_BRACKETS = re.compile(rb"[\[{]+|[\]}]+")


def object_of(value: bytes) -> dict[str, Any] | None:
    """The JSON object that a value from a topic holds; None for anything else. Never raises, since anybody may have written
    the value."""
    if not _is_shallow(value):
        return None
    try:
        document = json.loads(value)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _is_shallow(value: bytes) -> bool:
    """Checked before parsing: a thousand open brackets make a parser fail in its own way."""
    if value.count(b"[") + value.count(b"{") <= DEEPEST:
        return True
    depth = 0
    for found in _BRACKETS.finditer(_STRINGS.sub(b"", value)):
        run = found.group()
        depth += len(run) if run[:1] in b"[{" else -len(run)
        if depth > DEEPEST:
            return False
    return True


def parse(value: bytes) -> dict[str, Any] | None:
    """The document that a value holds. None if the value is not a JSON object with `previous`: such a value is void."""
    document = object_of(value)
    return document if document is not None and isinstance(document.get("previous"), str) else None


def record_from(document: Document) -> Record:
    """A record from its document. Raises Unreadable for a record of a later version of Keytrail."""
    if document.get("v") != RECORD_VERSION:
        raise Unreadable(f"record version {document.get('v')!r} is not known: this log was written by a newer Keytrail")
    call, decision, event, repeats = (document[name] for name in ("call", "decision", "event", "repeats"))
    return Record(
        previous=document["previous"],
        seen=document["seen"],
        at=micros(document["at"]),
        writer=document["writer"],
        next_command=document["next_command"],
        call=Call(**call) if call else None,
        decision=decision_from(decision) if decision else None,
        event=event_from(event) if event else None,
        repeats=Repeat(**repeats) if repeats else None,
    )


def decision_from(document: Document) -> Decision:
    return Decision(
        document["effect"],
        tuple(document["reasons"]),
        document["error"],
        tuple(document["resources"]),
        document["inputs"],
        document.get("kind", ""),
        tuple(document.get("materials", ())),
    )
