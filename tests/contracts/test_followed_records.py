"""The port FollowedRecords: Kafka's consumer and the simulated one keep every promise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest

from domain.log.chain import digest
from domain.ports import OutOfRange
from projections.log.entry import ALERTS, DECISIONS, EVENTS
from services.adapters.record_topics import FollowedRecords, KindAndNumber
from tests.contracts.adapters import RECORDS, AppendedRecords
from tests.installation import Installation

WITHIN_MS = 500
PARTS = ((EVENTS, 0), (DECISIONS, 0), (DECISIONS, 1), (ALERTS, 0))
Found = dict[KindAndNumber, list[tuple[int, bytes]]]


@pytest.fixture(params=RECORDS)
async def appended(request: pytest.FixtureRequest, installation: Installation) -> AsyncIterator[AppendedRecords]:
    async with RECORDS[request.param](lambda: installation.settings) as found:
        for kind, number in PARTS:
            for place in range(5):
                await found.append(kind, number, b"%d of %d" % (place, number))
        yield found


async def read(records: FollowedRecords, begins: Mapping[KindAndNumber, int], count: int, most: int = 100) -> Found:
    await records.open(begins)
    found: Found = {}
    while sum(map(len, found.values())) < count:
        for kind, values in await records.next(most, WITHIN_MS):
            assert len(values) <= most
            for each in values:
                found.setdefault((kind, each.partition), []).append((each.offset, each.value or b""))
    return found


@pytest.mark.parametrize("most", [2, 100])
async def test_each_partition_is_read_in_order_from_its_place_each_record_once(
    appended: AppendedRecords, most: int
) -> None:
    begins = {(EVENTS, 0): 3, (DECISIONS, 1): 5}
    records = appended.records()
    found = await read(records, begins, 2 + 5 + 5, most)
    assert found == {
        part: [(place, b"%d of %d" % (place, part[1])) for place in range(begins.get(part, 0), 5)]
        for part in PARTS
        if part != (DECISIONS, 1)
    }
    assert sum(count for _, count in await records.left()) == 0
    await records.close()


async def test_nothing_comes_until_something_is_appended(appended: AppendedRecords) -> None:
    records = appended.records()
    await read(records, dict.fromkeys(PARTS, 2), 3 * len(PARTS))
    assert list(await records.next(100, WITHIN_MS)) == []
    await appended.append(DECISIONS, 1, b"new")
    async with asyncio.timeout(30):
        while not (found := await records.next(100, WITHIN_MS)):
            pass
    assert [(kind, each.partition, each.offset, each.value) for kind, values in found for each in values] == [
        (DECISIONS, 1, 5, b"new")
    ]
    await records.close()


async def test_a_place_behind_the_end_of_its_partition_is_refused(appended: AppendedRecords) -> None:
    """It never begins anew at the first or the last record."""
    records = appended.records()
    await records.open({(DECISIONS, 1): 6})
    with pytest.raises(OutOfRange):
        async with asyncio.timeout(30):
            while True:
                await records.next(100, WITHIN_MS)
    await records.close()


async def test_a_place_behind_another_record_than_the_one_that_was_read_is_refused(appended: AppendedRecords) -> None:
    """Given a projector that ended since brokers had lost a decision: it was started again, believed what stood there now, and went
    on without a word."""
    where, read_last = (DECISIONS, 1), digest(b"2 of 1")
    same, other = appended.records(), appended.records()
    await same.open({where: 3}, last={where: read_last})
    found: Found = {}
    async with asyncio.timeout(30):
        while where not in found:
            for kind, values in await same.next(100, WITHIN_MS):
                for each in values:
                    found.setdefault((kind, each.partition), []).append((each.offset, each.value or b""))
    assert [offset for offset, _ in found[where]] == [3, 4]
    await other.open({where: 4}, last={where: read_last})
    with pytest.raises(OutOfRange, match="has another record at @3"):
        async with asyncio.timeout(30):
            while True:
                await other.next(100, WITHIN_MS)
    await same.close()
    await other.close()
