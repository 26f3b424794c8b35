"""A separate process reads files ahead. The import gets the same as if it read them here."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.ports import Unavailable
from services.trails.files import records_of
from services.trails.prepared import Prepared, RecordPreparer
from services.trails.reader_process import BATCH, BYTES, Ahead, batches
from services.trails.wrappers import FoundRecord

RECORD = {
    "eventVersion": "1.08",
    "userIdentity": {"type": "Root", "accountId": "111122223333", "arn": "arn:aws:iam::111122223333:root"},
    "eventSource": "kms.amazonaws.com",
    "eventName": "Decrypt",
    "awsRegion": "us-east-1",
    "requestParameters": {"encryptionContext": {"name": "\u00fc"}},
    "resources": [{"ARN": "arn:aws:kms:us-east-1:111122223333:key/1"}],
}


def written(folder: Path, count: int) -> list[Path]:
    """Files of different lengths, with records that are broken, of another service or passed over."""
    odd = ["{", '{"eventName": "x"}', json.dumps(RECORD | {"eventSource": "s3.amazonaws.com", "eventID": "s"})]
    odd.append(json.dumps(RECORD | {"eventCategory": "Insight", "eventID": "i"}))
    records = [
        json.dumps(RECORD | {"eventTime": f"2024-01-01T00:{n // 60 % 60:02}:{n % 60:02}Z", "eventID": str(n)})
        for n in range(count)
    ]
    paths = [folder / os.fsdecode(b"one\xff.jsonl"), folder / "two.jsonl", folder / "none.jsonl"]
    for path, lines in zip(paths, (records[: count // 3], odd + records[count // 3 :], []), strict=True):
        path.write_text("\n".join(lines))
    return paths


async def every(ahead: Ahead) -> list[list[Prepared]]:
    found = []
    while batch := await ahead.following():
        found.append(batch)
    return found


def test_batches_come_in_order_and_say_the_same(tmp_path: Path) -> None:
    paths = written(tmp_path, 2 * BATCH + 100)
    preparing = RecordPreparer()
    expected = [preparing.prepare(each) for path in paths for each in records_of(path)]
    with Ahead(paths, records_of) as ahead:
        batches = asyncio.run(every(ahead))
    assert expected == [each for batch in batches for each in batch]
    assert [len(batch) for batch in batches] == [BATCH, BATCH, 104]
    assert ahead.files == len(paths)


def test_long_records_come_in_smaller_batches() -> None:
    """Memory, and the load on the broker at a time, depend on a record's length and not on the number of records."""
    long = Prepared(FoundRecord("file", "place", bytes(BYTES // 4)))
    found = [len(each) for each in batches(iter([long] * 10))]
    assert found == [4, 4, 2, 0]


def test_an_import_without_records_ends(tmp_path: Path) -> None:
    with Ahead([tmp_path / "gone"], records_of) as ahead:
        (batch,) = asyncio.run(every(ahead))
    assert [each.found.place for each in batch] == ["file"]
    with Ahead([], records_of) as ahead:
        assert asyncio.run(every(ahead)) == []


def killed(path: Path) -> Iterator[FoundRecord]:
    yield from records_of(path)
    os.kill(os.getpid(), signal.SIGKILL)


def test_files_that_nobody_reads_on_are_not_taken_for_read(tmp_path: Path) -> None:
    with Ahead(written(tmp_path, 10), killed) as ahead, pytest.raises(Unavailable):
        asyncio.run(every(ahead))


def test_who_reads_ahead_waits_and_ends_with_the_import(tmp_path: Path) -> None:
    def without_end(path: Path) -> Iterator[FoundRecord]:
        while True:
            yield from records_of(path)

    with Ahead(written(tmp_path, 100), without_end) as ahead:
        assert len(asyncio.run(ahead.following())) == BATCH
        process = ahead._process
        assert process.is_alive()
    assert not process.is_alive()
