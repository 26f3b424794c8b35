"""Prepares records for writing. Most records of a trail are of a kind seen before, and differ only in id and time. Such a
record is not parsed: the rest of its text is looked up among the kinds that are remembered.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import orjson

from domain.cloudtrail.first_seen import keys_met
from domain.cloudtrail.kms_changes import is_change
from domain.cloudtrail.known import MARK, fact_of
from domain.cloudtrail.record import (
    EARLIEST,
    LATEST,
    LONGEST_NAME,
    OWN,
    Broken,
    NotOurService,
    PassedOver,
    TrailReading,
    read,
)
from domain.errors import Refusal
from services.bounded import forget_oldest
from services.trails.documents import KEPT
from services.trails.rows import TrailRow, at_of, case_of, case_row, kind_row, names
from services.trails.wrappers import FoundRecord

_OWN = re.compile(rb'"(eventID|eventTime|requestID)"\s*+:\s*+"([^"\\\x00-\x1f]*+)"')
"""Members that differ in every record. A record's text without them is the text of its kind."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST_RECORD = 1 << 20
"""In bytes: CloudTrail writes none that is longer, and the trail's topic takes none of twice that length, however often it is
tried. An answer of AWS's API may be longer, since it is much alike and is compressed."""
LONGEST_KIND = 50_000
"""The longest record, in bytes, whose kind is remembered."""
UNSHAPED = (TypeError, ValueError, AttributeError, LookupError, OverflowError, RecursionError, Refusal)
"""The errors that a record of an unexpected shape may raise when it is read, or a policy in it. The error becomes the reason why
the record is broken, and the import goes on."""
KINDS = 20_000
"""How many kinds are remembered."""


KNOWN = b"\1"
"""The kind of facts known from elsewhere. They are not calls, so the kind has no row."""


@dataclass(slots=True)
class RecordKind:
    """What records of a kind have in common: their rows of `kinds` and `cases`, and the caller and keys that they name."""

    row: TrailRow | None
    case: TrailRow | None
    met: tuple[tuple[str, str], ...]
    changes: bool
    proved: bool = False
    """Whether it is proved that the kind's text lacks only the record's id and time. This is checked when the text comes a
    second time."""

    @property
    def name(self) -> bytes:
        return KNOWN if self.row is None else self.row[0]  # the first column is the name


@dataclass(slots=True)
class Prepared:
    """A record: of a kind, or broken (`reason`), or of a service that no question here is about (`elsewhere`)."""

    found: FoundRecord
    kind: RecordKind | None = None
    id: str = ""
    at: datetime | None = None
    order: int | None = None
    seen: int | None = None
    preferred: bool = True
    reason: str = ""
    elsewhere: bool = False
    passed: str = ""
    """If it is not the record of a call, what it is instead."""
    not_kept: int = 0
    """How many broken parts of its file this one stands for."""


class RecordPreparer:
    def __init__(self) -> None:
        self._kinds: dict[bytes, RecordKind] = {}

    def prepare(self, found: FoundRecord) -> Prepared:
        """Never raises: a record that cannot be read gets a reason."""
        if found.reason:
            return _broken(found, found.reason)
        if found.passed:
            return Prepared(found, passed=found.passed)
        raw = found.raw
        if len(raw) > LONGEST_RECORD and not found.of_answer:
            return _broken(found, f"it is longer than {LONGEST_RECORD >> 20} MiB")
        parts = _OWN.split(raw)
        texts = parts[2::3]
        del parts[2::3]
        key = b"\0".join(parts)
        try:
            kind = self._kinds.get(key)
            if kind is not None and not kind.proved:
                kind.proved = _says_its_own(parts)
            if kind is not None and kind.proved:
                own = dict(zip(parts[1::2], texts, strict=True))
                identifier, at = own[b"eventID"].decode(), _usual_time(own[b"eventTime"].decode())
                if identifier and at is not None and len(own[b"eventID"]) <= LONGEST_NAME:
                    return Prepared(found, kind, identifier, at)
            return self._read(found, key)
        except NotOurService:
            return Prepared(found, elsewhere=True)
        except PassedOver as passed:
            return Prepared(found, passed=str(passed))
        except Broken as fault:
            return _broken(found, str(fault))
        except UNSHAPED as fault:
            return _broken(found, f"it is not shaped as a record is: {type(fault).__name__}: {fault}")

    def _read(self, found: FoundRecord, key: bytes) -> Prepared:
        """Raises what `read` raises."""
        raw = found.raw
        if b"\\u0000" in raw:  # Postgres cannot hold it in a text
            raw = raw.replace(b"\\u0000", b"\\ufffd")
        document = orjson.loads(raw)
        if isinstance(document, dict) and MARK in document:
            if not found.of_answer:  # whoever can write CloudTrail files could say what was there before the trail
                raise Broken("only `keytrail import policies` says what is known from elsewhere")
            known = fact_of(document)
            return Prepared(
                found, RecordKind(None, None, (), changes=True), known.id, _EPOCH + timedelta(microseconds=known.at)
            )
        reading = read(document, names)
        case = case_of(reading)
        name, case_as_row = (None, None) if case is None else case_row(reading, case)
        kind = RecordKind(kind_row(reading, name), case_as_row, _met(reading), is_change(reading))
        of_itself = kind.changes or "sharedEventID" in document or OWN in (document.get("additionalEventData") or ())
        if not of_itself and len(key) <= LONGEST_KIND:
            self._kinds[key] = kind
            forget_oldest(self._kinds, KINDS)
        order = reading.order if reading.order >= 0 else None
        seen = reading.seen if reading.seen >= 0 else None
        return Prepared(found, kind, reading.id, at_of(reading), order, seen, reading.preferred)


def _usual_time(text: str) -> datetime | None:
    """A time in the form that CloudTrail writes to a bucket. None for any other: `read` knows the others, and what is no time."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    if text[10:11] != "T" or found.tzinfo is None or not EARLIEST <= found <= LATEST:
        return None
    return found.astimezone(UTC)


def _broken(found: FoundRecord, reason: str) -> Prepared:
    """The beginning of its text is kept: the topic could not take a line of any length, and the import would end there. The
    reason may quote half a character of an answer, which Postgres and a terminal cannot take."""
    said = reason.encode("utf-8", "replace").decode()
    return Prepared(replace(found, raw=found.raw[:KEPT]) if len(found.raw) > KEPT else found, reason=said)


def _says_its_own(parts: list[bytes]) -> bool:
    """Whether exactly the record's own id and time were cut out of its text: marks put in their place are found as members
    of the record. If so, it holds for each record with the same text around them."""
    names = parts[1::2]
    if len(set(names)) != len(names) or not {b"eventID", b"eventTime"} <= set(names):
        return False
    text = parts[0]
    for name, after in zip(names, parts[2::2], strict=True):
        text += b'"%b":"%b"%b' % (name, _MARK + name, after)
    document = orjson.loads(text)
    return all(document.get(name.decode()) == (_MARK + name).decode() for name in names)


_MARK = b"\xe2\x81\xa3"
"""A character that occurs in no id and no time."""


def _met(reading: TrailReading) -> tuple[tuple[str, str], ...]:
    who = reading.role_id or reading.unique or reading.principal
    return (("who", who), *(("key", arn) for arn in keys_met(reading)))
