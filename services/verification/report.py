"""Verifies the whole installation, and reports it as a document."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from functools import partial
from typing import Any

from domain.transparency.leaf_extents import LeafExtent
from domain.transparency.order import LeafPartition
from domain.verification.log import Expected, Report
from services.adapters.keyring import open_keyring
from services.adapters.postgres import Pool
from services.runtime.bootstrap import open_pool, open_vault
from services.runtime.memory import seldom
from services.runtime.task_group import both, in_a_thread
from services.settings import Settings
from services.verification.projections import Difference, verify_projections
from services.verification.topics import TopicsReport, VerificationProgress, verify_topics
from services.verification.tree import TreeReport, compare_rows, verify_tree


async def verified(
    settings: Settings, expected: Expected | None, tell: VerificationProgress, *, projections: bool
) -> dict[str, Any]:
    """What `keytrail verify --json` prints. Raises Unavailable, OutOfRange, Unreadable, MasterKeyRefused."""
    pool = await open_pool(settings)
    try:
        with (
            seldom()
        ):  # otherwise, looking for cycles among the records takes half of the time of filling the projections
            return await _verified(settings, pool, expected, tell, projections=projections)
    finally:
        await pool.close()


async def _verified(
    settings: Settings, pool: Pool, expected: Expected | None, tell: VerificationProgress, *, projections: bool
) -> dict[str, Any]:
    keys = await open_keyring(open_vault(settings, pool))
    topics = await verify_topics(settings, keys, expected, tell)
    leaves: dict[LeafPartition, LeafExtent] = {}
    tree_over = asyncio.Event()

    async def walked() -> TreeReport | None:
        if not topics.log.whole:
            return None
        found = await in_a_thread(partial(_walked, settings, topics.log, tell, leaves))
        tree_over.set()
        return found

    def tell_after_tree(step: str, done: int, total: int) -> None:
        if tree_over.is_set():  # a reader sees one bar at a time
            tell(step, done, total)

    async def compared() -> list[Difference] | None:
        # If records are missing from the topics, the projections cannot be filled again from them.
        if not projections or not topics.whole or topics.decisions.gone:
            return None
        return await verify_projections(settings, pool, keys, tell_after_tree)

    # Each waits half of the time for Postgres or the broker, and the other one works then.
    tree, differing = await both(walked(), compared())
    if tree is not None and projections and topics.decisions.gone:
        await compare_rows(pool, leaves, topics.decisions.copies_count, tree)
    return _document(topics, tree, differing)


async def _walked(
    settings: Settings, log: Report, tell: VerificationProgress, leaves: dict[LeafPartition, LeafExtent]
) -> TreeReport | None:
    """The transparency log's part, by clients of its own: those of another thread's event loop are not for this one."""
    pool = await open_pool(settings)
    try:
        vault = open_vault(settings, pool)
        return await verify_tree(settings, pool, vault, await open_keyring(vault), log, tell, leaves)
    finally:
        await pool.close()


def _document(topics: TopicsReport, tree: TreeReport | None, differing: list[Difference] | None) -> dict[str, Any]:
    return topics.log.listed() | {
        "whole": topics.whole and not topics.strange and not differing and (tree is None or not tree.differing),
        "decisions": asdict(topics.decisions),
        "topics": {kind: asdict(each) for kind, each in topics.others.items()},
        "tree": None if tree is None else asdict(tree),
        "projections": None if differing is None else [asdict(each) for each in differing],
    }
