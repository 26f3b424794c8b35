"""A small file cannot fill the import's memory, the trail's topic or its tables. A whole file of CloudTrail is never cut."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

import pytest

from services.trails.answers import known_in
from services.trails.files import records_of, text_of
from services.trails.importer import ImportCounts
from services.trails.prepared import RecordPreparer
from services.trails.reader_process import MOST_BROKEN, prepared_of
from services.trails.unpack_budget import BASE, RATIO, RECORD, TooMuch
from services.trails.wrappers import FoundRecord
from tests.e2e.test_trails import record

LEFT_OUT = "the file cannot be read: it unpacks to more than 16 MiB and 200 times its length; the rest is left out"


def packed(text: bytes) -> str:
    return base64.b64encode(gzip.compress(text)).decode()


def written(path: Path, text: bytes) -> Path:
    path.write_bytes(text)
    return path


def read(path: Path) -> tuple[list[FoundRecord], int]:
    """The records of a file, and how many there may be at most."""
    return list(records_of(path)), (BASE + RATIO * path.stat().st_size) // RECORD


def test_packed_lists_in_packed_lists_end_at_the_budget(tmp_path: Path) -> None:
    """Each of three lists holds the next one 50 times: 125,000 records of some hundred bytes."""
    text = json.dumps([{"message": "no record"}] * 50).encode()
    for _ in range(2):
        text = json.dumps([packed(text)] * 50).encode()
    path = written(tmp_path / "bomb.json.gz", gzip.compress(text))
    assert path.stat().st_size < 1_000
    found, most = read(path)
    assert len(found) <= most + 1
    assert (found[-1].reason, {each.reason for each in found[:-1]}) == (LEFT_OUT, {""})


def test_a_packed_text_that_holds_nothing_counts_too(tmp_path: Path) -> None:
    """Nothing is found in the texts, so that nothing would be counted; each takes 8 MB to unpack."""
    nothing = packed(b" " * 8_000_000 + b"[]")
    path = written(tmp_path / "nothing.json.gz", gzip.compress(json.dumps([nothing] * 1_000).encode()))
    found, _ = read(path)
    assert [each.reason for each in found] == [LEFT_OUT]


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_a_file_unpacks_to_no_more_at_any_level(tmp_path: Path, levels: int) -> None:
    """At the innermost level, gzip's members may be empty: that file holds nothing, and takes as long."""
    for name, text in (
        ("zeros", b"\n" * 60_000_000),
        ("empty", gzip.compress(b"") * (200_000 if levels > 1 else 1)),
    ):
        for _ in range(levels - (name == "empty")):
            text = gzip.compress(text)
        path = written(tmp_path / f"{name}.gz", text)
        whole = name == "empty" and levels == 1
        assert [each.reason for each in records_of(path)] == ([] if whole else [LEFT_OUT])
        if not whole:
            with pytest.raises(TooMuch):
                text_of(path)
            assert [each.reason for each in known_in(path, 0, "")] == [LEFT_OUT]


@pytest.mark.parametrize("levels", [0, 1, 2])
def test_a_file_of_cloudtrail_is_read_whole(tmp_path: Path, levels: int) -> None:
    """Records that differ by their ids alone, which is as small as a trail can become: more of them than BASE is for."""
    records = [record("Decrypt", "2024-01-01T00:00:00Z") for _ in range(20_000)]
    text = b"\n".join(json.dumps({"Records": records[at : at + 100]}).encode() for at in range(0, len(records), 100))
    assert len(text) + RECORD * len(records) > BASE
    for _ in range(levels):
        text = gzip.compress(text)
    found, _ = read(written(tmp_path / "file.gz", text))
    assert (len(found), {each.reason for each in found}) == (len(records), {""})


def test_short_records_of_a_plain_file_are_no_bomb(tmp_path: Path) -> None:
    found, _ = read(written(tmp_path / "short.json", b"{}\n" * 100_000))
    assert (len(found), {each.reason for each in found}) == (100_000, {""})


@pytest.mark.parametrize("broken", [MOST_BROKEN, MOST_BROKEN + 1, 5_000])
def test_of_a_file_that_cannot_be_read_a_part_is_kept(tmp_path: Path, broken: int) -> None:
    whole = json.dumps(record("Decrypt", "2024-01-01T00:00:00Z"))
    lines = [whole, *['{"eventName": "x"}'] * (broken - 1), whole.replace("Decrypt", "Encrypt"), "{}"]
    path = written(tmp_path / "broken.json", "\n".join(lines).encode())
    found = list(prepared_of(records_of(path), RecordPreparer()))
    assert sum(each.kind is not None for each in found) == 2
    kept = [each for each in found if each.reason]
    more = broken - MOST_BROKEN
    assert len(kept) == MOST_BROKEN + (more > 0)
    if more > 0:
        assert kept[-1].reason == f"{more} more parts of the file cannot be read either; they are not kept"
        counts = ImportCounts()
        counts.count(found, set())
        assert (counts.records, counts.broken, counts.not_kept) == (MOST_BROKEN + 3, MOST_BROKEN + 1, more)
        assert len({(each.found.source, each.found.place) for each in kept}) == len(kept)
