"""Finds the CloudTrail records in a JSON value, however tools wrap them. Each record keeps its text.

Source: CloudTrail user guide (log files, digest files, LookupEvents, Lake's GetQueryResults), CloudWatch Logs user guide
(subscriptions, FilterLogEvents, Insights), EventBridge user guide (events from CloudTrail).
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from services.trails.unpack_budget import UnpackBudget

JsonMembers = Mapping[str, msgspec.Raw]

LISTS = ("Records", "records", "Events", "events", "logEvents", "QueryResultRows", "results", "Messages", "hits")
"""Members whose elements hold records: CloudTrail's files, lookup-events, filter-log-events, a subscription's envelope, the
results of Lake and Insights, a queue's messages, a search's hits."""
WRAPPERS = (
    "detail", "CloudTrailEvent", "message", "@message", "Message", "Body", "body", "eventJson", "eventData", "record", "event",
    "_source", "result", "_raw", "hits", "original", "Sns", "kinesis", "awslogs", "data", "Data",
)  # fmt: skip
"""Members that hold a record or a document: as an object, as text, or compressed in base64 (what Lambda receives from a
subscription of CloudWatch Logs, a Kinesis stream and Firehose)."""
MOST = 64 << 20
"""The most bytes that compressed text may unpack to."""
DEEPEST = 8
"""How deep wrappers may be nested inside one another."""
CONTROL = b"CWL CONTROL MESSAGE"
"""The text of the message by which CloudWatch Logs tests a subscription."""
_PACKED = base64.b64encode(b"\x1f\x8b\x08")
_FIRST = b'{"eventVersion"'
"""How a record that CloudTrail wrote begins."""
_WHOLE = msgspec.json.Decoder(msgspec.Raw)
_ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw])
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)
_FAULTS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


@dataclass(slots=True)
class FoundRecord:
    """A record with its place and its text. `reason` says why it could not be read. If it is not the record of a call,
    `passed` says what it is. `of_answer`: it is a part of an answer of AWS's API, which alone may say what is known from
    elsewhere."""

    source: str
    place: str
    raw: bytes
    reason: str = ""
    passed: str = ""
    of_answer: bool = False

    @property
    def text(self) -> str:
        """The text in a form that Postgres can hold."""
        return self.raw.replace(b"\\u0000", b"\\ufffd").decode("utf-8", "replace")


def fault_of(text: bytes) -> str:
    """Why a text is not JSON; "" if it is JSON."""
    try:
        _decode(text)
    except RecursionError:
        return "it is nested too deep"
    except _FAULTS as fault:
        return f"it is not JSON: {fault}"
    return ""


def is_json(text: bytes) -> bool:
    try:
        _decode(text)
    except _FAULTS:
        return False
    return True


def _decode(text: bytes) -> None:
    """Raises one of _FAULTS for what is not JSON in UTF-8."""
    _WHOLE.decode(text)
    if not text.isascii():
        text.decode()  # names of members that nobody asks for are not looked at above


def unwrapped(text: bytes, source: str, place: str, budget: UnpackBudget, depth: int = 0) -> Iterator[FoundRecord]:
    """Yields the records in a JSON value, and what it holds instead of records. Any value may stand in a file: one that cannot
    be read in spite of all is a broken record, and the file goes on. Raises TooMuch."""
    try:
        yield from _unwrapped(text, source, place, budget, depth)
    except _FAULTS as fault:
        yield FoundRecord(source, place, text, f"it cannot be read: {fault}")


def _unwrapped(text: bytes, source: str, place: str, budget: UnpackBudget, depth: int) -> Iterator[FoundRecord]:
    if text.startswith(_FIRST):
        yield FoundRecord(source, place, text)
        return
    first = text[:1]
    if depth > DEEPEST:
        yield FoundRecord(source, place, text, "it is wrapped too deep")
    elif first == b"[":
        yield from _elements(text, source, place, budget, depth)
    elif first == b"{":
        yield from _members(_MEMBERS.decode(text), text, source, place, budget, depth)
    else:
        inner = _inside(text, budget)
        if inner:
            yield from unwrapped(inner, source, place, budget, depth + 1)
        else:
            yield FoundRecord(source, place, text, "it is not a JSON object")


def _elements(text: bytes, source: str, place: str, budget: UnpackBudget, depth: int) -> Iterator[FoundRecord]:
    elements = [bytes(each) for each in _ELEMENTS.decode(text)]
    if elements and not any(each[:1] in (b"{", b"[", b'"') for each in elements):
        yield FoundRecord(source, place, text, "it is not a JSON object")
        return
    if elements and (named := _of_insights(elements, budget)):
        yield from unwrapped(named, source, place, budget, depth + 1)
        return
    for number, each in enumerate(elements):
        yield from unwrapped(each, source, f"{place}, record {number}", budget, depth + 1)


def _of_insights(elements: list[bytes], budget: UnpackBudget) -> bytes:
    """The message among the fields of a row of CloudWatch Logs Insights: [{"field": "@message", "value": "..."}, ...]."""
    for each in elements:
        if each[:1] != b"{" or b'"field"' not in each[:40]:
            return b""
        members = _MEMBERS.decode(each)
        if bytes(members.get("field", b"")) == b'"@message"' and "value" in members:
            return _inside(bytes(members["value"]), budget)
    return b""


def _members(
    members: JsonMembers, text: bytes, source: str, place: str, budget: UnpackBudget, depth: int
) -> Iterator[FoundRecord]:
    if "eventName" not in members or "kinesis" in members:
        lists = [name for name in LISTS if bytes(members.get(name, b""))[:1] in (b"[", b"n")]
        if lists:
            for name in lists:
                held = bytes(members[name])
                if held != b"null":
                    yield from _elements_of(
                        held, source, place if len(lists) == 1 else f"{place}, {name}", budget, depth
                    )
            return
        if "digestStartTime" in members and "logFiles" in members:
            yield FoundRecord(source, place, text, passed="digest file")
            return
        for name in WRAPPERS:
            if name in members:
                held = bytes(members[name])
                if held[1 : 1 + len(CONTROL)] == CONTROL:
                    yield FoundRecord(source, place, text, passed="control message")
                    return
                inner = held if held[:1] == b"{" else _inside(held, budget)
                if inner:
                    yield from unwrapped(inner, source, place, budget, depth + 1)
                    return
    yield FoundRecord(source, place, text)


def _elements_of(text: bytes, source: str, place: str, budget: UnpackBudget, depth: int) -> Iterator[FoundRecord]:
    for number, each in enumerate(map(bytes, _ELEMENTS.decode(text))):
        if each.startswith(_FIRST):  # nearly every record: a generator for each would take as long as finding it
            yield FoundRecord(source, f"{place}, record {number}", each)
        else:
            yield from unwrapped(each, source, f"{place}, record {number}", budget, depth + 1)


def _inside(text: bytes, budget: UnpackBudget) -> bytes:
    """The JSON object or list in a JSON string; b"" if it holds neither. Raises TooMuch."""
    if text[:1] != b'"':
        return b""
    try:
        inner = _TEXT.decode(text).strip().encode("utf-8", "surrogatepass")
        if inner.startswith(_PACKED):
            inner = _unpacked(inner, budget)
    except (*_FAULTS, ValueError, zlib.error):
        return b""
    return inner if inner[:1] in (b"{", b"[") and is_json(inner) else b""


def _unpacked(text: bytes, budget: UnpackBudget) -> bytes:
    """The content of compressed base64, at most MOST bytes of it. Raises TooMuch, ValueError, zlib.error."""
    packed = base64.b64decode(text, validate=True)
    found = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(packed, min(MOST, max(0, budget.left) + 1))
    budget.spend(len(found))
    return found.strip()
