"""Whether the log still ends, before a reader's place, with the record that the reader accepted last."""

from __future__ import annotations

import asyncio
import json

from domain.log.authority import Authority
from domain.log.chain import digest
from services.adapters.log_now import head_before, is_last_before
from services.adapters.postgres import Pool
from tests.given import key_id
from tests.keys import process_keys
from tests.logs import Log, changed, command, created
from tests.memory_log import MemoryTopic

KEYS = process_keys()


def read() -> tuple[Log, int, str, Authority]:
    """A log, and how far somebody has read it who came to a void record last."""
    log = Log(KEYS)
    log.answer(created(1, 1))
    head = log.values[-1]
    return log, len(log.values) + 1, digest(head), log.fold().chain.authority


def is_known(values: list[bytes], place: int, head: str, authority: Authority) -> bool:
    topic = MemoryTopic()
    topic.values = values
    return asyncio.run(is_last_before(topic, place, head, authority, KEYS))


def described(log: Log, number: int) -> bytes:
    value = log.answer(command(number, "UpdateKeyDescription", {"KeyId": key_id(1), "Description": str(number)}))
    assert value is not None
    return value


def test_a_valid_record_in_the_place_of_a_void_one_that_was_lost_is_no_known_log() -> None:
    """Given a projector that had read a void record last, and brokers that lost it: the record before it was there still, so the
    projector went on behind the valid one that came in its place. It took all that followed for void, and said nothing."""
    log, place, head, authority = read()
    assert is_known([*log.values, b"{}"], place, head, authority)
    assert is_known([*log.values, b"{}", described(log, 2)], place, head, authority), "it links to what was read"
    log, place, head, authority = read()
    described(log, 3)
    described(log, 4)
    assert not is_known(log.values, place, head, authority)
    assert is_known(log.values, place - 1, head, authority), "whoever had not read the void record goes on"


def test_what_a_stranger_writes_there_makes_no_log_unknown() -> None:
    log, place, head, authority = read()
    before = len(log.values)
    strange = changed(described(log, 2), at="2026-01-01T00:00:00.000000Z")
    assert json.loads(strange)["previous"] == head
    assert is_known([*log.values[:before], strange], place, head, authority)


def test_a_record_that_is_gone_or_behind_the_end_is_no_known_log() -> None:
    log, place, head, authority = read()
    assert not is_known([*log.values[:-1], b"{}", b"{}"], place, head, authority)
    assert not is_known(log.values, place, head, authority), "the log is shorter than what was read"


async def test_the_head_before_a_place_is_that_of_the_last_valid_record(pool: Pool) -> None:
    log, place, head, _ = read()
    last = digest(described(log, 2))
    topic = MemoryTopic()
    topic.values = log.values
    assert [await head_before(each, topic, pool, KEYS) for each in (place - 1, place, place + 1)] == [head, last, None]
