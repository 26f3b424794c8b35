"""What is counted in Postgres while the stream is followed: a transaction that fails has counted nothing, and takes nothing
from one that ends beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from domain.alerts.judging import Judge
from domain.alerts.use import Use
from services.adapters.keyring import open_keyring
from services.adapters.postgres import Pool, connect
from services.alerts import keeping
from services.alerts.keeping import Reached
from services.alerts.publishing import Publisher
from services.alerts.using import Counter, Found
from services.bootstrap import open_vault
from services.cli.client import Client
from tests.installation import Installation

NOW = 1_800_000_000_000_000


@pytest.fixture
async def pool(installation: Installation) -> AsyncIterator[Pool]:
    found = await connect(installation.settings)
    yield found
    await found.close()


def root_used(judge: Judge, account: str) -> list[Found]:
    """A call of an account's root: one is enough for an alert."""
    use = Use(NOW, "c", f"arn:aws:iam::{account}:root", account, "AKIA", "ListKeys", (), "", "127.0.0.1")
    return [(each, use.at, {}) for each in judge.candidates(use)]


async def test_what_was_rolled_back_is_counted_again_whatever_ended_beside_it(
    installation: Installation, pool: Pool
) -> None:
    keys = await open_keyring(open_vault(installation.settings, pool))
    judge = Judge(Client(installation.data).get("/v1/status")["log"])
    publisher = Publisher(installation.settings, keys)
    events, decisions = (Counter(pool, keys, lambda: judge, publisher) for _ in range(2))
    one, other = ((f"t-{uuid4().hex}", 0) for _ in range(2))
    found = root_used(judge, uuid4().hex)
    with pytest.raises(RuntimeError, match="lost"):
        async with events.holding(one, 0) as held:
            await held.settle(Reached(1), found)
            async with decisions.holding(other, 0) as beside:
                await beside.settle(Reached(1), root_used(judge, uuid4().hex))
            raise RuntimeError("the connection was lost")
    assert {part: (await keeping.reached(pool)).get(part) for part in (one, other)} == {one: None, other: Reached(1)}
    count = "SELECT count(*) FROM alerting.windows WHERE subject = $1"
    subject = found[0][0].subject
    assert await pool.fetchval(count, subject) == 0
    async with events.holding(one, 0) as held:
        await held.settle(Reached(1), found)
    assert await pool.fetchval(count, subject) == 1
    await pool.execute("DELETE FROM alerting.positions WHERE topic LIKE 't-%'")
    await publisher.close()
