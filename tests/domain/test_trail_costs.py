"""What an import costs grows with what it reads, whatever somebody wrote into a file. Steps are counted, not seconds."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

import pytest

from services.trails.documents import SEARCHES, Stream, records_in
from services.trails.wrappers import FoundRecord
from tests.domain.test_trail_documents import RECORDS, in_pieces, read


def steps(work: Callable[[], Any]) -> int:
    """How many functions the work calls, those of the interpreter too."""
    count = 0

    def called(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


# -- documents without an end ------------------------------------------------------------------------------------------------

LINES = {
    "a bracket a line": b"{\n",
    "a list a line": b"[\n",
    "an object in each other": b'{"a":{\n',
    "records without an end": b'{"Records":[\n',
    "records that end, in an object that does not": b'{"Records":[]\n',
    "a string without an end": b'{"a\n',
    "records that were cut": b'{"eventVersion":"1.08","resources":[{"ARN":"a"},{"AR\n',
    "broken elements": b"[{a},\n",
}


@pytest.mark.parametrize("form", LINES)
def test_lines_without_an_end_are_read_in_a_time_that_grows_with_them(form: str) -> None:
    def cost(count: int) -> int:
        return steps(lambda: read(LINES[form] * count))

    assert cost(800) < 2.2 * cost(400)


def test_objects_that_end_but_are_not_json_are_searched_no_oftener() -> None:
    def cost(count: int) -> int:
        return steps(lambda: read(b"{\n" * count + b"}\n" * count))

    assert cost(800) < 2.2 * cost(400)


@pytest.mark.parametrize("broken", [*LINES.values(), b"{\n\n", b'["{\n'])
def test_records_between_documents_without_an_end_are_found(broken: bytes) -> None:
    """As many of them stand before each record as switch the search to one up to the next document. How the file comes in
    pieces changes nothing."""
    document = b'{\n  "Records": [\n    %b,\n    %b\n  ]\n}\n' % (RECORDS[1], RECORDS[2])
    text = (
        broken * (SEARCHES + 3)
        + RECORDS[0]
        + b"\n"
        + broken
        + document
        + broken * 2
        + b"[%b,%b]\n" % tuple(RECORDS[3:5])
    )
    found = read(text)

    def told(found: list[FoundRecord]) -> list[tuple[bytes, str, str]]:
        return [(each.raw, each.reason, each.place) for each in found]

    assert [each.raw for each in found if not each.reason] == RECORDS[:5]
    for size in (1, 7, 100):
        assert told(list(records_in(Stream(in_pieces(text, [size]), 1, 30), "file"))) == told(found)
    assert told(list(records_in(Stream(io.BytesIO(text).read, 1), "file"))) == told(found)
