"""Tables that a verification fills while calls go on: they end where the live ones are, wherever the topics end."""

from __future__ import annotations

from dataclasses import replace

from projections.log.entry import DECISIONS, EVENTS
from projections.registry import PROJECTIONS
from services.adapters.postgres import Pool
from services.projector import store
from services.projector.feed import Batch
from services.verification.filled_tables import FilledTables
from tests.contracts.test_positions_of_others import BEFORE
from tests.projections.test_projections import ENTRIES, REACHED, decision_entry

CALLS = PROJECTIONS["decisions"]
OF_LOG = [each for each in ENTRIES if each.topic == EVENTS]
END = REACHED[EVENTS, 0]


async def test_records_that_come_behind_the_end_of_a_verification_are_no_lost_ones(pool: Pool) -> None:
    """Given a log that was read to the end and decisions that were not, then an anchor came: a verification of a healthy
    installation said that brokers had lost records."""
    later = [replace(OF_LOG[-1], offset=END + number, digest=f"later {number}") for number in range(3)]
    batches = [
        ({(EVENTS, 0): END + 1, (DECISIONS, 0): 1}, [*OF_LOG, later[0], decision_entry(0)]),
        ({(EVENTS, 0): END + 2, (DECISIONS, 0): 2}, [later[1], decision_entry(1)]),
        ({(EVENTS, 0): END + 3, (DECISIONS, 0): 4}, [later[2], decision_entry(2), decision_entry(3)]),
    ]
    async with pool.acquire() as connection:
        await store.prepare(connection, CALLS, "", BEFORE, store.TEMPORARY)
        try:
            filled, since = FilledTables(connection, CALLS, BEFORE, {(EVENTS, 0): END, (DECISIONS, 0): 3}), ""
            for offsets, entries in batches:
                assert not filled.is_whole
                last = [each.digest for each in entries if each.topic == EVENTS][-1]
                await filled.take(Batch(entries, store.ReadTo(dict(offsets), last, since=since)))
                since = last
            assert (filled.is_whole, filled.count) == (True, END + 3)
            assert await store.positions(connection, store.TEMPORARY) == {(EVENTS, 0): END, (DECISIONS, 0): 3}
            found = await connection.fetch("SELECT record FROM pg_temp.decisions WHERE origin = 0 ORDER BY record")
            assert [each["record"] for each in found] == [0, 1, 2]
        finally:
            await connection.execute("DISCARD TEMP")
