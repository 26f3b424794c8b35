"""Questions to `decisions` about where the records of its rows stand: `origin` (-1: the log) and `record`, the offset there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from projections.decisions.queries import DECISIONS
from projections.log.schema import AskedLog

BLOCK_BITS = 16
BLOCK = 1 << BLOCK_BITS
"""The positions of a block. Rows are counted by block, and looked at where a block's count does not say everything."""


async def blocks(log: AskedLog) -> list[Any]:
    """(origin, block, rows, places, first, last) of each block that has rows. Reads every row once."""
    query = f"""SELECT origin, record >> {BLOCK_BITS} AS block, count(*) AS rows, count(DISTINCT record) AS places,
        min(record) AS first, max(record) AS last FROM {DECISIONS} GROUP BY origin, block"""
    return await log.fetch(query)


async def of_blocks(log: AskedLog, wanted: Sequence[tuple[int, int]]) -> list[Any]:
    """(origin, record) of each row of these blocks, by origin and number. Reads every row once."""
    query = f"""SELECT origin, record FROM {DECISIONS} JOIN unnest($1::smallint[], $2::bigint[]) AS wanted (place, number)
        ON origin = place AND record >> {BLOCK_BITS} = number"""
    return await log.fetch(query, [origin for origin, _ in wanted], [block for _, block in wanted])
