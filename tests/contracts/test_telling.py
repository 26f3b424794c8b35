"""A notifier's rows in Postgres through the notifier's life: each alert is sent once, in order, and as the topic has
it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest

from domain.ports import Unavailable
from services.adapters.advisory_locks import AdvisoryLock
from services.adapters.postgres import Pool
from services.notifier import outbox
from services.notifier.marks import KafkaMark, Proved
from services.notifier.storms import AT_ONCE
from tests.installation import Installation
from tests.keys import OTHER, process_keys
from tests.telling import Telling


@pytest.fixture
async def pool(installation: Installation) -> AsyncIterator[Pool]:
    async with installation.connected() as found:
        yield found


@pytest.fixture
async def telling(pool: Pool) -> AsyncIterator[Telling]:
    found = await Telling(pool).begun()
    yield found
    await found.end()


def alerts(told: list[tuple[str, list[str], str]]) -> list[str]:
    return [each for _, ids, _ in told for each in ids]


async def test_each_alert_is_sent_once_and_in_order(telling: Telling, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        await telling.raise_alert(f"a{number}")
    await telling.raise_alert("a1")  # judged again after a crash
    assert alerts(await telling.told()) == ["a0", "a1", "a2"]
    telling.start()
    await telling.raise_alert("a3")
    assert alerts(await telling.told()) == ["a3"]
    await telling.ledger.prove()
    assert telling.mark.proved is not None
    assert telling.mark.proved.settled == 5
    assert "error" not in capsys.readouterr().out


async def test_a_new_notifier_sends_alerts_raised_from_then_on(pool: Pool, capsys: pytest.CaptureFixture[str]) -> None:
    telling = Telling(pool)
    await telling.raise_alert("before")
    telling.start()
    await telling.begun()
    telling.now -= timedelta(days=2)
    await telling.raise_alert("judged-again-after-a-restore")
    telling.now += timedelta(days=2)
    await telling.raise_alert("since")
    assert alerts(await telling.told()) == ["since"]
    said = capsys.readouterr().out
    assert "were left out: their records are too old" in said
    assert "count=1 " in said
    await telling.end()


async def test_a_new_notifier_sends_what_is_raised_late(pool: Pool) -> None:
    """Alert workers were behind, or the writer's clock was. The record was older than the notifier, and its alert was left out
    although it was raised since."""
    telling = Telling(pool)
    await telling.raise_alert("before")
    telling.start()
    await telling.begun()
    telling.now -= timedelta(hours=1)
    await telling.raise_alert("judged-late")
    assert alerts(await telling.told()) == ["judged-late"]
    await telling.end()


async def test_what_waits_goes_out_while_kafka_is_away(telling: Telling, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next proof forgot how far the notifier was before it asked Kafka, and nothing was sent until Kafka came back."""
    await telling.raise_alert("a0")
    await telling.gather()

    async def away() -> int:
        raise Unavailable("Kafka is away")

    monkeypatch.setattr(telling.ledger, "_end", away)
    with pytest.raises(Unavailable):
        await telling.ledger.prove()
    waiting = await telling.head()
    assert waiting is not None
    await telling.ledger.delivered(waiting)
    assert await telling.head() is None


async def test_a_storm_is_one_message_and_is_not_settled_while_it_is_held_back(pool: Pool) -> None:
    telling = await Telling(pool, group_seconds=60).begun()
    for number in range(AT_ONCE + 3):
        await telling.raise_alert(f"a{number}")
    assert len(await telling.told()) == AT_ONCE
    await telling.ledger.prove()
    assert telling.mark.proved is not None
    assert telling.mark.proved.settled == AT_ONCE, "the first that is held back"
    await telling.gather(later=61)
    assert [ids for _, ids, _ in await telling.told()] == [["a5", "a6", "a7"]]
    await telling.ledger.prove()
    assert telling.mark.proved.settled == AT_ONCE + 3
    await telling.end()


async def test_dead_letters_are_tried_again_under_their_names(
    telling: Telling, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        await telling.raise_alert(f"a{number}")
    await telling.gather()
    given_up = []
    while (waiting := await telling.head()) is not None:
        await telling.ledger.failed(waiting, "503")
        await telling.ledger.given_up(waiting, "400")
        given_up.append(waiting.id)
    shown = [each for each in await outbox.dead(telling.pool, 1000) if each["notifier"] == telling.name]
    assert [(each["id"], each["attempts"], each["fault"]) for each in shown] == [(id, 2, "400") for id in given_up]
    await telling.pool.execute("UPDATE notifying.dead SET again = true WHERE notifier = $1", telling.name)
    assert [id for id, _, _ in await telling.told()] == given_up
    await telling.ledger.prove()
    assert "error" not in capsys.readouterr().out


async def test_a_rotation_changes_nothing(telling: Telling, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows written under the former key are removed under it. For rows that another process wrote under a newer key,
    the vault is asked."""
    for number in range(2):
        await telling.raise_alert(f"a{number}")
    await telling.gather()
    waiting = await telling.head()
    assert waiting is not None
    telling.vault.secrets = [*telling.vault.secrets, OTHER]
    await telling.ledger.prove()
    await telling.ledger.delivered(waiting)
    await telling.ledger.prove()
    older = telling.keys
    telling.start()
    assert telling.keys.newest != older.names()[0]
    assert alerts(await telling.told()) == ["a1"]
    await telling.ledger.prove()
    assert "error" not in capsys.readouterr().out


async def test_a_message_sent_while_everything_starts_over_is_not_counted_twice(
    telling: Telling, capsys: pytest.CaptureFixture[str]
) -> None:
    await telling.raise_alert("a0")
    await telling.gather()
    waiting = await telling.head()
    assert waiting is not None
    await telling.ledger.begin_again(0, "the topic was made anew")
    capsys.readouterr()
    await telling.ledger.delivered(waiting)
    assert [id for id, _, _ in await telling.told()] == [waiting.id]
    await telling.ledger.prove()
    assert "error" not in capsys.readouterr().out


async def test_a_mark_is_kept_on_kafka_and_a_strangers_is_not_read(
    installation: Installation, telling: Telling, capsys: pytest.CaptureFixture[str]
) -> None:
    name, since = f"n-{uuid4().hex}", outbox.now()
    mark = KafkaMark(installation.settings, telling.keys, "a log", name)
    assert await mark.read() is None
    for settled in (7, 9):
        await mark.keep(Proved(settled, since))
        assert await mark.read() == Proved(settled, since)
        kept_at = await mark.kept_at()
        assert kept_at is not None
        assert abs(kept_at - outbox.now()) < timedelta(minutes=1)
    assert await KafkaMark(installation.settings, telling.keys, "another log", name).read() is None
    assert "changed on Kafka" in capsys.readouterr().out
    stranger = KafkaMark(installation.settings, process_keys(OTHER), "a log", name)
    await stranger.keep(Proved(11, since))
    assert await mark.read() is None
    await mark.close()
    await stranger.close()


async def test_an_earlier_version_goes_on_from_where_it_was(pool: Pool, capsys: pytest.CaptureFixture[str]) -> None:
    telling = Telling(pool)
    for number in range(4):
        await telling.raise_alert(f"a{number}")
    telling.start()
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", AdvisoryLock.PREPARE_NOTIFYING)
        await connection.execute("DROP SCHEMA notifying CASCADE")
        await connection.execute(EARLIER)
        message = '{"alert": {"number": 2}, "alerts": ["a2"]}'
        await connection.execute("INSERT INTO notifying.cursors VALUES ($1, 'a log', 2, $2)", telling.name, telling.now)
        await connection.execute(
            "INSERT INTO notifying.outbox (notifier, id, message, since) VALUES ($1, 'x', $2, now())",
            telling.name,
            message,
        )
    assert alerts(await telling.told()) == ["a2", "a3"], "what waited, and what was raised since"
    said = capsys.readouterr().out
    assert "earlier version" in said
    assert "error" not in said
    await telling.end()


EARLIER = """
CREATE SCHEMA notifying;
CREATE TABLE notifying.cursors (
    notifier text PRIMARY KEY, log text NOT NULL, number bigint NOT NULL, since timestamptz NOT NULL
);
CREATE TABLE notifying.storms (
    notifier text, rule text, until timestamptz NOT NULL, sent int NOT NULL, held jsonb NOT NULL, first jsonb,
    count int NOT NULL, last text NOT NULL DEFAULT '', PRIMARY KEY (notifier, rule)
);
CREATE TABLE notifying.outbox (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, notifier text NOT NULL, id text NOT NULL, message jsonb NOT NULL,
    since timestamptz NOT NULL, attempts int NOT NULL DEFAULT 0, fault text NOT NULL DEFAULT ''
);
CREATE TABLE notifying.dead (
    number bigint PRIMARY KEY, notifier text NOT NULL, id text NOT NULL, message jsonb NOT NULL, since timestamptz NOT NULL,
    attempts int NOT NULL, fault text NOT NULL, at timestamptz NOT NULL
);
"""
"""As made by versions without MACs."""
