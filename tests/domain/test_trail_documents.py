"""Records from anything that CloudTrail, CloudWatch Logs, EventBridge and tools write, whatever its size and however it
is cut."""

from __future__ import annotations

import base64
import codecs
import gzip
import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.trails import documents
from services.trails.documents import Stream, records_in
from services.trails.files import records_of
from services.trails.prepared import RecordPreparer
from services.trails.unpack_budget import UnpackBudget
from services.trails.wrappers import FoundRecord
from tests.e2e.test_trails import record

Read = Callable[..., list[FoundRecord]]


def read(
    text: bytes, piece: int = documents.PIECE, at_once: int = documents.AT_ONCE, before: int = 0
) -> list[FoundRecord]:
    """`before`: how many bytes of the file stand before this text."""
    budget = UnpackBudget(before + len(text))
    return list(records_in(Stream(io.BytesIO(text).read, budget, piece, at_once), "file"))


def file_of(path: Path, text: bytes) -> list[FoundRecord]:
    path.write_bytes(text)
    return list(records_of(path))


def some(count: int, **more: Any) -> list[bytes]:
    """Records with letters of one to four bytes."""
    return [
        json.dumps(record("Decrypt", f"2024-01-01T00:00:{number:02d}Z", userAgent="ä€😀" * number, **more), ensure_ascii=False).encode()
        for number in range(count)
    ]  # fmt: skip


RECORDS = some(12)
ENVELOPE = b'{"Records":[%b]}'


def envelope(records: list[bytes]) -> bytes:
    return ENVELOPE % b",".join(records)


def wrapped(name: str, records: list[bytes], of: str = "message") -> bytes:
    return json.dumps({"first": {"a": []}, name: [{"id": "1", of: each.decode()} for each in records]}).encode()


def packed(text: bytes) -> str:
    return base64.b64encode(gzip.compress(text)).decode()


FORMS = {
    "a file of CloudTrail": envelope(RECORDS),
    "one envelope a line": b"\n".join(envelope([each]) for each in RECORDS),
    "envelopes without a newline": b"".join(envelope(RECORDS[at : at + 3]) for at in range(0, 12, 3)),
    "envelopes of several lines": b"\n".join(
        b'{\n  "Records": [\n    %b\n  ]\n}' % b",\n    ".join(RECORDS[at : at + 3]) for at in range(0, 12, 3)
    ),
    "a record a line": b"\n".join(RECORDS),
    "lines that end as on Windows": b"\r\n".join(RECORDS),
    "records without a newline": b"".join(RECORDS),
    "a list": b"[" + b",\n".join(RECORDS) + b"]",
    "a list of texts": json.dumps([each.decode() for each in RECORDS]).encode(),
    "a text a line": b"\n".join(json.dumps(each.decode()).encode() for each in RECORDS),
    "members before and behind the records": b'{"nextToken":"[","more":[[{}]],"Records":[%b],"z":null,"y":1}' % b",".join(RECORDS),
    "lookup-events": wrapped("Events", RECORDS, "CloudTrailEvent"),
    "filter-log-events": wrapped("events", RECORDS),
    "a subscription": wrapped("logEvents", RECORDS[:6]) + wrapped("logEvents", RECORDS[6:]),
    "a queue": wrapped("Messages", RECORDS, "Body"),
    "EventBridge": b"\n".join(b'{"detail-type":"x","detail":%b}' % each for each in RECORDS),
    "a search": b'{"hits":{"total":2,"hits":[%b]}}' % b",".join(b'{"_source":%b}' % each for each in RECORDS),
    "Insights": json.dumps({"results": [[{"field": "@timestamp", "value": "x"}, {"field": "@message", "value": each.decode()}] for each in RECORDS]}).encode(),
    "Lake": json.dumps({"QueryResultRows": [[{"eventJson": each.decode()}] for each in RECORDS]}).encode(),
    "a time before each": b"\n".join(b"2024-01-01T00:00:00 stream " + each for each in RECORDS),
    "columns around each": b"".join(b"EVENTS\t" + each + b"\tid\tDecrypt\n" for each in RECORDS),
    "filled up with zeros": envelope(RECORDS[:6]) + b"\0" * 99 + envelope(RECORDS[6:]) + b"\0" * 99,
    "a time before documents of several lines": b"\n".join(b"2024 stream {\n  \"detail\":\n  %b\n}" % each for each in RECORDS),
    "what Lambda is given of a subscription": json.dumps({"awslogs": {"data": packed(wrapped("logEvents", RECORDS))}}).encode(),
    "what Lambda is given of a stream": json.dumps({"Records": [{"eventName": "aws:kinesis:record", "kinesis": {"data": packed(each)}} for each in RECORDS]}).encode(),
    "what Lambda is given of a topic": json.dumps({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": each.decode()}} for each in RECORDS]}).encode(),
    "records of Firehose": json.dumps({"records": [{"recordId": "1", "data": packed(each)} for each in RECORDS]}).encode(),
    "Elastic": b"\n".join(json.dumps({"event": {"original": each.decode()}}).encode() for each in RECORDS),
}  # fmt: skip

BOUNDED = (
    "a search",
    "Insights",
    "Lake",
    "a time before each",
    "columns around each",
    "what Lambda is given of a subscription",
)
"""Answers of a bounded length, or lines of text: one that is longer than what is held is broken."""
SIZES = ((1 << 20, 1 << 25, 1 << 23), (7, 4000, 1 << 23), (64, 100, 3000))
READ = [(*sizes, form) for sizes in SIZES for form in FORMS if form not in BOUNDED or sizes[2] >= len(FORMS[form])]


@pytest.mark.parametrize(("piece", "at_once", "longest", "form"), READ)
def test_every_form_of_every_size_gives_each_record_byte_for_byte(
    form: str, piece: int, at_once: int, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "LONGEST", longest)
    found = read(FORMS[form], piece, at_once)
    assert [(each.raw, each.reason, each.passed) for each in found] == [(each, "", "") for each in RECORDS]
    assert len({each.place for each in found}) == len(RECORDS)


def test_a_document_longer_than_memory_gives_every_record(tmp_path: Path) -> None:
    """635 KB or 40 MB make no difference."""
    records = some(40, requestParameters={"x": "y" * 900_000})
    for text in (envelope(records), envelope(records[:20]) + envelope(records[20:])):
        assert len(text) > documents.AT_ONCE
        assert [each.raw for each in file_of(tmp_path / "long.json", text)] == records


def test_one_broken_record_does_not_stop_the_others() -> None:
    deep = b'{"eventVersion":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    cases = {
        "cut": (envelope(RECORDS)[:-700], 11),
        "nested too deep": (envelope([*RECORDS[:5], deep, *RECORDS[5:]]), 12),
        "nested too deep, a line": (b"\n".join([*RECORDS[:5], deep, *RECORDS[5:]]), 12),
        "a broken record in a file": (envelope([*RECORDS[:5], b'{"eventVersion":"1", broken}', *RECORDS[5:]]), 12),
        "a cut line": (b"\n".join([*RECORDS[:5], RECORDS[5][:300], *RECORDS[6:]]), 11),
        "a line cut inside a bracket": (b"\n".join([*RECORDS[:5], b'{"eventVersion":"1","a":{"b":1', *RECORDS[5:]]), 12),
        "a file without an end before another": (envelope(RECORDS[:6])[:-2] + b',{"a":\n' + envelope(RECORDS[6:]), 12),
        "a byte that is no text": (envelope([*RECORDS[:5], RECORDS[5].replace(b"Decrypt", b"De\xffcrypt"), *RECORDS[6:]]), 12),
        "text": (b"MIT License\n\nof [many] {lines}\n", 0),
    }  # fmt: skip
    preparing = RecordPreparer()
    for name, (text, whole) in cases.items():
        found = [preparing.prepare(each) for each in read(text)]
        broken = [each for each in found if each.reason]
        expected = 11 if name == "a byte that is no text" else whole
        assert (name, len(found) - len(broken), len(broken)) == (name, expected, 1)


def test_lines_of_text_are_one_broken_piece_and_hide_no_record() -> None:
    timed = b"\n".join(b"2024-01-01T00:00:00 stream " + each for each in RECORDS)
    found = read(b"# exported today\nby nobody\n" + timed + b"\n-- the end --\n")
    assert [each.raw for each in found if not each.reason] == RECORDS
    assert len([each for each in found if each.reason]) == 2


def test_packed_text_without_a_record_is_broken_and_stops_nothing() -> None:
    """Input that is cut, is not base64, has no JSON inside, or has more bytes than are unpacked at once."""
    whole = packed(envelope(RECORDS))
    for data in (whole[: len(whole) // 2], "H4sI****", packed(b"text"), packed(b"{" * 100), packed(b" " * (65 << 20))):
        text = json.dumps({"awslogs": {"data": data}}).encode()
        found = [RecordPreparer().prepare(each) for each in read(text, before=1 << 20)]
        assert [bool(each.reason) for each in found] == [True]


def test_a_record_longer_than_a_record_may_be_is_passed_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "LONGEST", 5_000)
    long = b'{"eventVersion":"%b"}' % (b'\\"x' * 9_000)
    for text in (envelope([*RECORDS[:5], long, *RECORDS[5:]]), b"\n".join([*RECORDS[:5], long, *RECORDS[5:]])):
        found = read(text, 512, 2_000)
        assert [each.raw for each in found if not each.reason] == RECORDS
        assert [each.reason for each in found if each.reason] == ["it is longer than 0 MiB"]


def test_files_that_are_no_records_are_passed_over() -> None:
    digest = {"awsAccountId": "1", "digestStartTime": "2024-01-01T00:00:00Z", "logFiles": [{"s3Object": "x"}]}
    control = {"messageType": "CONTROL_MESSAGE", "logEvents": [{"message": "CWL CONTROL MESSAGE: Checking"}]}
    insight = record("Decrypt", "2024-01-01T00:00:00Z", eventType="AwsCloudTrailInsight", eventCategory="Insight")
    network = record("Decrypt", "2024-01-01T00:00:00Z", eventType="AwsVpceEvent", eventCategory="NetworkActivity")
    preparing = RecordPreparer()
    for document, what in (
        (digest, "digest file"),
        (control, "control message"),
        ({"Records": [insight]}, "Insights event"),
        ({"Records": [network]}, "network activity event"),
    ):
        (found,) = (preparing.prepare(each) for each in read(json.dumps(document).encode()))
        assert (found.passed, found.reason, found.kind) == (what, "", None)


@pytest.mark.parametrize(
    "packed",
    [
        gzip.compress,
        lambda text: gzip.compress(gzip.compress(text)),
        lambda text: b"".join(gzip.compress(text[at : at + 1000]) for at in range(0, len(text), 1000)),
        lambda text: codecs.BOM_UTF8 + text,
        lambda text: codecs.BOM_UTF16_LE + text.decode().encode("utf-16-le"),
        lambda text: codecs.BOM_UTF16_BE + text.decode().encode("utf-16-be"),
    ],
)
def test_a_file_may_be_compressed_and_have_a_mark(packed: Callable[[bytes], bytes], tmp_path: Path) -> None:
    found = file_of(tmp_path / "file", packed(envelope(RECORDS)))
    assert [(each.raw, each.reason) for each in found] == [(each, "") for each in RECORDS]


def test_what_stands_before_a_fault_of_a_file_is_read(tmp_path: Path) -> None:
    packed = gzip.compress(b"\n".join(RECORDS * 200))
    found = file_of(tmp_path / "cut.gz", packed[: len(packed) // 2])
    taken = [each for each in found if not each.reason]
    assert (len(taken) > 100, [each.raw for each in taken] == (RECORDS * 200)[: len(taken)]) == (True, True)
    assert found[-1].reason.startswith("the file cannot be read: ")
    assert len(found) - len(taken) <= 2
    (only,) = file_of(tmp_path / "no.gz", b"\x1f\x8bnothing")
    assert only.reason.startswith("the file cannot be read: ")


# -- any file, cut at any byte -------------------------------------------------------------------------------------------

small = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def a_record(draw: st.DrawFn) -> bytes:
    document = {"eventVersion": "1", "eventName": "X", "more": draw(small)}
    text = json.dumps(
        document, ensure_ascii=draw(st.booleans()), separators=draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    )
    return text.encode("utf-8", "replace")


@st.composite
def a_file(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """Documents of any form one after another, and their records."""
    text, records = b"", []
    for _ in range(draw(st.integers(1, 4))):
        some = draw(st.lists(a_record(), min_size=1, max_size=4))
        records += some
        form = draw(st.sampled_from(["lines", "envelope", "list", "texts", "events", "before"]))
        if form == "lines":
            text += b"\n".join(some)
        elif form == "envelope":
            text += ENVELOPE % b", ".join(some)
        elif form == "list":
            text += b"[\n  " + b",\n  ".join(some) + b"\n]"
        elif form == "texts":
            text += json.dumps([each.decode() for each in some]).encode()
        elif form == "events":
            text += json.dumps({"events": [{"message": each.decode()} for each in some]}, indent=1).encode()
        else:
            text += b'{"a":%b,"Records":[%b],"b":"}"}' % (json.dumps(draw(small)).encode(), b",".join(some))
        text += draw(st.sampled_from([b"", b"\n", b" \r\n\n"]))
    return text, records


def in_pieces(text: bytes, sizes: list[int]) -> Callable[[int], bytes]:
    def pieces() -> Iterator[bytes]:
        at = 0
        while at < len(text):
            for size in sizes:
                yield text[at : at + size]
                at += size
        while True:
            yield b""

    found = pieces()

    def read(most: int) -> bytes:
        return next(found)

    return read


@given(a_file(), st.lists(st.integers(1, 90), min_size=1, max_size=5), st.integers(1, 400))
def test_a_file_in_pieces_of_any_size_gives_the_same(
    file: tuple[bytes, list[bytes]], sizes: list[int], at_once: int
) -> None:
    text, records = file
    found = list(records_in(Stream(in_pieces(text, sizes), UnpackBudget(len(text)), 1, at_once), "file"))
    assert [(each.raw, each.reason) for each in found] == [(each, "") for each in records]


@given(a_file(), st.data())
def test_a_file_cut_at_any_byte_gives_what_stands_before_it(
    file: tuple[bytes, list[bytes]], data: st.DataObject
) -> None:
    text, records = file
    cut = text[: data.draw(st.integers(0, len(text)))]
    one, other = read(cut), read(cut, 3, 40)
    assert [(each.raw, bool(each.reason)) for each in one] == [(each.raw, bool(each.reason)) for each in other]
    taken = [each.raw for each in one if not each.reason]
    assert taken == records[: len(taken)]
    assert len(one) - len(taken) <= 1


def test_a_record_like_one_before_is_read_as_it_would_be_alone() -> None:
    """The kind is recognised by its text: no other part of the text is taken for its id or time."""
    hidden: dict[str, Any] = {
        "requestParameters": {"keyId": "k", "eventID": "nested", "eventTime": "2000-01-01T00:00:00Z"}
    }
    one, two, three = (
        record("Decrypt", f"2024-01-01T00:00:0{number}Z", eventID=f"id-{number}", **hidden) for number in range(3)
    )
    plain = [
        record("Decrypt", f"2024-01-01T00:00:0{number}Z", eventID=f"p-{number}", requestID="r") for number in range(4)
    ]
    spaced = plain[0] | {"eventTime": "2024-01-01 00:00:00Z"}
    # The nested member stands where the record's own would, and the record's own is spelt with an escape.
    escaped = json.dumps(plain[1] | {"eventID": None, "a": {"eventID": "no"}}).replace(
        '"eventID": null', '"event\\u0049D": "own"'
    )
    preparing = RecordPreparer()
    texts = [*(json.dumps(each) for each in (one, two, three, *plain, spaced)), escaped, escaped]
    for text in texts:
        found, alone = (each.prepare(FoundRecord("f", "p", text.encode())) for each in (preparing, RecordPreparer()))
        assert (found.id, found.at, found.reason, found.kind and found.kind.row) == (
            alone.id,
            alone.at,
            alone.reason,
            alone.kind and alone.kind.row,
        )
    assert preparing.prepare(FoundRecord("f", "p", escaped.encode())).id == "own"


@pytest.mark.parametrize("depth", [100, 300, 900, 2_000, 200_000])
def test_a_record_nested_however_deep_is_read_or_set_aside(depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    inside = RECORDS[1].replace(b'"requestParameters": {', b'"requestParameters": {"deep": %b, ' % nested)
    beside = RECORDS[2][:-1] + b',"deep":%b}' % nested
    preparing = RecordPreparer()
    for text in (
        envelope([RECORDS[0], inside, beside, RECORDS[3]]),
        b"\n".join([RECORDS[0], inside, beside, RECORDS[3]]),
    ):
        found = [preparing.prepare(each) for each in read(text)]
        assert len(found) == 4
        assert [bool(each.reason) for each in (found[0], found[3])] == [False, False]
        assert all(each.kind is not None or each.reason for each in found)


ODD = {
    "names of a row's fields": b'["field","value"]',
    "a row with only a name": b'[["field"]]',
    "results that are names": b'{"results":[["field"]]}',
    "a name in Latin-1": b'{"Gr\xf6sse":1}',
    "a name in Latin-1 within": b'{"Records":[{"Gr\xf6sse":1}]}',
    "a text in Latin-1": b'["Gr\xf6sse"]',
    "half a letter for a name": b'{"\\ud800":1}',
    "half a letter for a name within": b'[{"\\ud800":1}]',
    "hits that are a number": b'{"hits":{"hits":5}}',
    "numbers": b"[%b]" % b",".join([b"1"] * 200_000),
}


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_line_stops_no_file(odd: str) -> None:
    """The process that reads would end there, and each import that is tried again at the same place."""
    text = b"\n".join([RECORDS[0], ODD[odd], RECORDS[1]])
    preparing = RecordPreparer()
    for found in (read(text), read(text, 3, 40)):
        prepared = [preparing.prepare(each) for each in found]
        assert [each.found.raw for each in prepared if not each.reason] == [RECORDS[0], RECORDS[1]]
        assert len(found) > 2
        assert max(len(each.found.raw) for each in prepared if each.reason) <= documents.KEPT


def test_a_name_in_latin_1_costs_the_records_beside_it_nothing() -> None:
    text = b'{"Gr\xf6sse":1,"Records":[%b]}' % b",".join([RECORDS[0], b'{"Gr\xf6sse":1}', RECORDS[1]])
    assert [each.raw for each in read(text) if not each.reason] == [RECORDS[0], RECORDS[1]]


def test_a_file_may_have_a_name_of_any_bytes(tmp_path: Path) -> None:
    """Neither a topic's header nor a table could hold it as it is."""
    for found in file_of(tmp_path / os.fsdecode(b"one\xff.jsonl"), b"{"):
        assert found.source.encode().endswith("one\ufffd.jsonl".encode())
