"""The trails of an installation: a list of them, and their removal."""

from __future__ import annotations

from typing import Any

import asyncpg
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from domain.ports import Unavailable, reason_of
from projections.log.schema import AskedLog, Schema
from projections.trails import queries as trail_lists
from services.adapters.kafka import administering
from services.adapters.postgres import Pool
from services.adapters.trail_topics import schema_of, topic_of
from services.rendering import utc
from services.settings import Settings
from services.verification.topics import trails

SCHEMAS = """
SELECT n.nspname FROM pg_namespace n
WHERE n.nspname LIKE 'trail\\_%' AND to_regclass(quote_ident(n.nspname) || '.readers') IS NOT NULL ORDER BY 1
"""


async def listed(connection: asyncpg.Connection[Any] | Pool, settings: Settings) -> list[dict[str, Any]]:
    """A row for each trail, by name. A trail whose import was interrupted has no calls yet. Raises Unavailable."""
    tables = {row["nspname"] for row in await connection.fetch(SCHEMAS)}
    names = {schema.removeprefix("trail_") for schema in tables}
    topics = set(await trails(settings))
    found = []
    for name in sorted(names | topics):
        row: dict[str, Any] = {
            "trail": name,
            "calls": None,
            "changes": None,
            "first": None,
            "last": None,
            "broken": None,
        }
        schema = schema_of(name)
        if await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", f"{schema}.calls"):
            log = AskedLog(connection, Schema(schema))
            extent = await trail_lists.extent(log)
            row |= {"calls": extent["calls"], "changes": extent["changes"]}
            row |= {each: extent[each] and utc(extent[each]) for each in ("first", "last")}
            row["broken"] = await trail_lists.broken(log)
        found.append(row)
    return found


async def remove(connection: asyncpg.Connection[Any], settings: Settings, name: str) -> bool:
    """Removes a trail's tables and topic; neither holds our own log. Returns whether the trail existed. The connection holds
    the lock of imports. Raises BadName, Unavailable."""
    schema, topic = schema_of(name), topic_of(settings, name)
    there = await connection.fetchval("SELECT to_regnamespace($1) IS NOT NULL", schema)
    # The topic goes first: tables without a topic are noticed, but a topic without tables would be read into new tables.
    try:
        async with administering(settings) as client:
            if topic in set(await client.list_topics()):
                there = True
                await client.delete_topics([topic], timeout_ms=10_000)
    except UnknownTopicOrPartitionError:
        pass  # somebody else removed it
    except (KafkaError, OSError, TimeoutError) as fault:
        raise Unavailable(f"Kafka at {settings.kafka} does not answer: {reason_of(fault)}") from fault
    await connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    return bool(there)
