"""Records as they are read, to what is written of them. Most of a trail's records are of kinds that came before: all that is
theirs is an id and a time, and they are read by comparing the rest of the record with what is remembered.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from domain.cloudtrail.changes import is_change
from domain.cloudtrail.record import OWN, Broken, Elsewhere, Reading, read
from services.trails.files import Found
from services.trails.rows import Row, at_of, case_of, case_row, kind_row, names

OWN_MEMBERS = ("eventID", "eventTime", "requestID")
"""What no two records have in common."""
UNSHAPED = (TypeError, ValueError, AttributeError, KeyError, OverflowError)
"""A record may be of any shape: what nothing here looks for is a reason too, and stops nothing."""
KINDS = 20_000
"""Kinds that are remembered."""


@dataclass(slots=True)
class Kind:
    """What records have in common: rows of `kinds` and `cases`, and whom and what they name."""

    row: Row
    case: Row | None
    met: tuple[tuple[str, str], ...]
    changes: bool

    @property
    def name(self) -> bytes:
        return self.row[0]  # type: ignore[no-any-return]  # the first column is the name


@dataclass(slots=True)
class Prepared:
    """A record: of a kind, or broken (`reason`), or of a service that nothing here asks about."""

    found: Found
    kind: Kind | None = None
    id: str = ""
    at: datetime | None = None
    order: int | None = None
    seen: int | None = None
    preferred: bool = True
    reason: str = ""
    elsewhere: bool = False
    raw: bytes = b""
    """The record as it is kept, where it was put together already."""


class Preparing:
    def __init__(self) -> None:
        self._kinds: dict[bytes, Kind] = {}

    def prepare(self, found: Found) -> Prepared:
        """Never raises: what cannot be read has a reason."""
        if found.reason:
            return Prepared(found, reason=found.reason)
        document = found.document
        if not isinstance(document, dict):
            return Prepared(found, reason="it is no JSON object")
        rest = dict(document)
        identifier, moment, _ = (rest.pop(name, None) for name in OWN_MEMBERS)
        try:
            key = orjson.dumps(rest)
            kind = self._kinds.get(key)
            if kind is not None and type(identifier) is str and type(moment) is str and moment[10:11] == "T":
                at = datetime.fromisoformat(moment)
                if identifier and at.tzinfo is not None:
                    prepared = Prepared(found, kind, identifier, at)
                    if found.line is None:
                        own = orjson.dumps({name: document[name] for name in OWN_MEMBERS if name in document})
                        prepared.raw = own[:-1] + b"," + key[1:]
                    return prepared
            return self._read(found, document, key)
        except Elsewhere:
            return Prepared(found, elsewhere=True)
        except Broken as fault:
            return Prepared(found, reason=str(fault))
        except UNSHAPED as fault:
            return Prepared(found, reason=f"it is not shaped as a record is: {type(fault).__name__}: {fault}")

    def _read(self, found: Found, document: Any, key: bytes) -> Prepared:
        """Raises what reading raises."""
        if b"\\u0000" in key:  # no text of Postgres holds it
            document = orjson.loads(orjson.dumps(document).replace(b"\\u0000", b"\\ufffd"))
        reading = read(document, names)
        case = case_of(reading)
        name, case_as_row = (None, None) if case is None else case_row(reading, case)
        kind = Kind(kind_row(reading, name), case_as_row, _met(reading), is_change(reading))
        of_itself = kind.changes or "sharedEventID" in document or OWN in (document.get("additionalEventData") or ())
        if not of_itself:
            if len(self._kinds) >= KINDS:
                del self._kinds[next(iter(self._kinds))]
            self._kinds[key] = kind
        order = reading.order if reading.order >= 0 else None
        seen = reading.seen if reading.seen >= 0 else None
        return Prepared(found, kind, reading.id, at_of(reading), order, seen, reading.preferred)


def _met(reading: Reading) -> tuple[tuple[str, str], ...]:
    who = reading.role_id or reading.unique or reading.principal
    return (("who", who), *(("key", arn) for arn in reading.resources if arn))
