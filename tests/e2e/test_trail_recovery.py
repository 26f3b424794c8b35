"""A trail whose tables are gone, whose import was stopped, or that an earlier version wrote: nothing is lost, and nothing doubled."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest

from services.adapters.postgres import connect_alone
from services.adapters.trail_topics import schema_of
from services.trails.files import records_of
from services.trails.importer import open_connection, opened
from services.trails.reader_process import BATCH, Ahead
from tests.e2e.test_history import allow
from tests.e2e.test_trails import COUNTED, created, imported, key_arn, put, record, trail, who, written
from tests.installation import Installation

__all__ = ["trail"]

CALLS = 3 * BATCH


def calls(first: int, count: int) -> list[dict[str, Any]]:
    return [
        record("Decrypt", f"2024-01-01T{n // 3600:02d}:{n // 60 % 60:02d}:{n % 60:02d}Z")
        for n in range(first, first + count)
    ]


class Stopped(Exception):
    """In the place of Ctrl-C."""


def stopped_at(installation: Installation, trail: str, path: Path, what: str) -> None:
    """An import that somebody stops when it says for the first time that it is doing this."""

    def told(doing: str, count: int) -> None:
        if doing == what:
            raise Stopped

    async def taking(ahead: Ahead) -> None:
        connection = await open_connection(installation.settings)
        try:
            async with opened(installation.settings, trail) as kept:
                await kept.take(connection, ahead, told)
        finally:
            await connection.close()

    with Ahead([path], records_of) as ahead, pytest.raises(Stopped):
        asyncio.run(taking(ahead))


def sql(installation: Installation, trail: str, statements: str) -> list[Any]:
    async def run() -> list[Any]:
        connection = await connect_alone(installation.settings)
        try:
            await connection.execute(f"SET search_path TO {schema_of(trail)}")
            *first, last = statements.split(";")
            for each in first:
                await connection.execute(each)
            found: list[Any] = await connection.fetch(last)
            return found
        finally:
            await connection.close()

    return asyncio.run(run())


def aside(installation: Installation, trail: str) -> list[tuple[str, str]]:
    return sorted((row["place"], row["raw"]) for row in sql(installation, trail, "SELECT place, raw FROM aside"))


def test_a_recovery_from_the_topic_that_is_stopped_goes_on(
    installation: Installation, trail: str, tmp_path: Path
) -> None:
    """The tables are gone, as after the loss of the database. What the topic has comes back, however often this is stopped."""
    first = written(tmp_path / "a.jsonl", created(1, "2024-01-01T00:00:00Z"), *calls(1, CALLS))
    found = imported(installation, trail, first)
    assert found["calls"] == CALLS + 1
    sql(installation, trail, f"DROP SCHEMA {schema_of(trail)} CASCADE")
    more = written(tmp_path / "b.jsonl", record("Decrypt", "2024-01-02T00:00:00Z"))
    stopped_at(installation, trail, more, "reading the topic again")
    (row,) = sql(installation, trail, "SELECT count(*) AS there FROM records")
    assert 0 < row["there"] < CALLS + 1, "it was stopped amid its work"
    again = imported(installation, trail, more)
    assert (again["new"], again["calls"], again["unexplained"]) == (1, CALLS + 2, 0)


@pytest.mark.soak
def test_records_that_a_stopped_import_had_appended_are_not_lost(
    installation: Installation, trail: str, tmp_path: Path
) -> None:
    """They are on the topic, and the files that they came from may be gone by the next import."""
    first = written(tmp_path / "a.jsonl", created(1, "2024-01-01T00:00:00Z"), *calls(1, 2 * BATCH))
    stopped_at(installation, trail, first, "reading")
    (row,) = sql(installation, trail, "SELECT count(*) AS there FROM records")
    assert row["there"] == 0, "it was stopped between the topic and the tables"
    more = written(tmp_path / "b.jsonl", record("Decrypt", "2024-01-02T00:00:00Z"))
    assert imported(installation, trail, more)["calls"] == BATCH + 1
    whole = imported(installation, trail, first)
    assert (whole["new"], whole["told_twice"], whole["calls"]) == (BATCH + 1, BATCH, 2 * BATCH + 2)


@pytest.mark.soak
def test_broken_parts_are_kept_once_and_each_with_its_place(
    installation: Installation, trail: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(["{", json.dumps(record("Decrypt", "2024-01-01T00:00:00Z")), '{"hello": "world"}']))
    assert imported(installation, trail, path)["broken"] == 2
    kept = aside(installation, trail)
    assert [raw for _, raw in kept] == ["{", '{"hello": "world"}']
    # The tables are made anew from the topic, which tells where each part stood.
    sql(installation, trail, f"DROP SCHEMA {schema_of(trail)} CASCADE")
    assert imported(installation, trail, path)["broken"] == 2
    assert aside(installation, trail) == kept
    # Another file under the same name, with another fault at the same place.
    path.write_text("\n".join(["{", json.dumps(record("Decrypt", "2024-01-01T00:00:01Z")), '{"hello": "moon"}']))
    assert imported(installation, trail, path)["broken"] == 2
    assert aside(installation, trail) == sorted([*kept, (kept[1][0], '{"hello": "moon"}')])


AS_0_1_0 = """
DROP TABLE topic_read;
ALTER TABLE aside DROP CONSTRAINT aside_pkey, DROP COLUMN id;
ALTER TABLE aside ADD PRIMARY KEY (source, place);
SELECT 1
"""


@pytest.mark.soak
def test_tables_of_0_1_0_get_back_what_they_had_lost(installation: Installation, trail: str, tmp_path: Path) -> None:
    """There, an interrupted recovery left records out for good, and broken parts got the topic's name for their file's."""
    path = written(tmp_path / "a.jsonl", created(1, "2024-01-01T00:00:00Z"), *calls(1, 10))
    path.write_text(path.read_text() + '{"hello": "world"}\n{')
    assert imported(installation, trail, path)["broken"] == 2
    kept = aside(installation, trail)
    lost = "DELETE FROM records WHERE at > '2024-01-01 00:00:05Z'"
    renamed = f"UPDATE aside SET source = '{installation.settings.topic_prefix}.trail.{trail}', place = 'offset 11' WHERE raw = '{{'"
    sql(installation, trail, f"{lost};{renamed};{AS_0_1_0}")
    more = written(tmp_path / "b.jsonl", record("Decrypt", "2024-01-02T00:00:00Z"))
    found = imported(installation, trail, more)
    assert (found["new"], found["calls"]) == (1, 12)
    assert aside(installation, trail) == kept
    again = imported(installation, trail, path)
    assert (again["new"], again["told_twice"], again["broken"]) == (0, 11, 2)
    assert aside(installation, trail) == kept


@pytest.mark.soak
def test_what_an_earlier_version_took_ends_no_import(installation: Installation, trail: str, tmp_path: Path) -> None:
    """0.1.0 took records that it could not follow or judge, and every later import ended at them."""
    root = allow("arn:aws:iam::111122223333:root", "kms:*")
    records = [created(1, "2024-01-01T00:00:00Z"), put(1, "2024-01-01T01:00:00Z", root), *calls(3600 * 2, 3)]
    imported(installation, trail, written(tmp_path / "a.jsonl", *records))
    fact = {"keytrailKnown": {"kind": "identity", "subject": who()["arn"], "document": {}}, "eventID": "f", "eventTime": "2020-01-01T00:00:00Z"}  # fmt: skip
    odd = record("EnableKey", "2024-01-01T03:00:00Z", additionalEventData={"keytrail": {"context": {"aws:useragent": [5]}}})  # fmt: skip
    case = {"names": "nobody", "context": {"aws:useragent": 5}, "resources": [key_arn(1)]}
    sql(
        installation,
        trail,
        f"""
        INSERT INTO records SELECT 'f', at, NULL, NULL, true, '\\x01', '{json.dumps(fact)}' FROM records LIMIT 1;
        INSERT INTO records SELECT 'odd', at + interval '3 hours', NULL, NULL, true, kind, '{json.dumps(odd)}'
        FROM records WHERE at = '2024-01-01 00:00:00Z' AND id <> 'f';
        UPDATE cases SET document = (document::jsonb || '{json.dumps(case)}'::jsonb)::json;
        SELECT 1
        """,
    )
    found = imported(installation, trail, written(tmp_path / "b.jsonl", record("Decrypt", "2024-01-02T00:00:00Z")))
    assert {each["id"] for each in found["changed_nothing"]} == {"f", "odd"}
    assert (found["new"], found["calls"], found["open"] >= 3) == (1, 7, True)
    assert found["records"] == sum(found[name] for name in COUNTED)


def test_a_policy_that_names_whom_no_index_can_hold_ends_no_import(
    installation: Installation, trail: str, tmp_path: Path
) -> None:
    long = f"arn:aws:iam::111122223333:user/{random.Random(7).randbytes(3_000).hex()}"
    records = [
        created(1, "2024-01-01T00:00:00Z"),
        put(1, "2024-01-01T01:00:00Z", allow(long, "kms:*")),
        record("Decrypt", "2024-01-01T02:00:00Z"),
    ]
    found = imported(installation, trail, written(tmp_path / "a.jsonl", *records))
    assert [each["id"] for each in found["changed_nothing"]] == [records[1]["eventID"]]
    assert (found["calls"], found["changes"]) == (3, 1)


def test_a_record_that_the_topic_cannot_take_ends_no_import(
    installation: Installation, trail: str, tmp_path: Path
) -> None:
    """Kafka refuses it at each try, and what stands behind it in the files would never be read."""
    records = [
        record("Decrypt", "2024-01-01T00:00:00Z", userAgent=random.Random(7).randbytes(3 << 20).hex()),
        record("Decrypt", "2024-01-01T00:00:01Z"),
    ]
    found = imported(installation, trail, written(tmp_path / "a.jsonl", *records))
    assert (found["broken"], found["new"], found["calls"]) == (1, 1, 1)


@pytest.mark.soak
def test_a_trail_whose_topic_is_another_reads_it_whole(installation: Installation, trail: str, tmp_path: Path) -> None:
    """A topic that ends before the offset that was reached was made anew, and may hold records that the tables lack."""
    path = written(tmp_path / "a.jsonl", *calls(1, 3))
    imported(installation, trail, path)
    sql(installation, trail, "DELETE FROM records; UPDATE topic_read SET next = 1000; SELECT 1")
    found = imported(installation, trail, written(tmp_path / "b.jsonl", record("Decrypt", "2024-01-02T00:00:00Z")))
    assert (found["new"], found["calls"]) == (1, 4)
    assert [row["next"] for row in sql(installation, trail, "SELECT next FROM topic_read")] == [4]
