"""What `status` and `doctor` are told of a collector of traces: what a process found last, and nothing of one that is gone."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from services.adapters.postgres import Pool
from services.otlp.messages import TRACES as SIGNAL
from services.otlp.outbox import Outbox
from services.otlp.sender import Collector, OtlpSender
from services.runtime.collector_faults import SCHEMA, CollectorTelling, state
from services.settings import Settings
from services.traces.ids import REQUEST
from services.traces.spans import NOTHING_SAID, TraceSpan, frame_of
from services.traces.tracer import TRACES, Tracer
from tests.collector import CollectorServer
from tests.installation import Installation, eventually

SPAN = TraceSpan("0b9c2f0e-4f3c-4a55-9cff-ffffffffffff", REQUEST, 1, 2, NOTHING_SAID)


@pytest.fixture
async def pool(installation: Installation) -> AsyncIterator[Pool]:
    async with installation.connected() as found:
        yield found
        await found.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")


@pytest.fixture
async def away() -> AsyncIterator[Outbox]:
    """The outbox of this process, whose collector is not there."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # nobody listens there, and nobody else can
        outbox = Outbox(
            OtlpSender(Collector(f"http://127.0.0.1:{held.getsockname()[1]}"), SIGNAL), frame_of("api"), lambda _: None
        )
        TRACES.tracer = Tracer(outbox, 1.0)
        outbox.add(SPAN)
        sending = asyncio.create_task(outbox.keep_sending())
        await asyncio.to_thread(eventually, lambda: outbox.away)  # an orderly end would try for two seconds alone
        sending.cancel()
        await asyncio.wait([sending])
        await outbox.close()
        yield outbox
        TRACES.tracer = None


async def test_a_collector_that_is_away_is_told_and_taken_back(pool: Pool, away: Outbox) -> None:
    telling = CollectorTelling(Settings(traces_endpoint="http://c:4318"), pool, "api")
    assert await state(pool) is None
    for _ in range(2):
        await telling.look()
        told = await state(pool)
        assert told is not None
        assert (told["fault"], told["processes"]) == (
            "http://c:4318: it cannot be reached: Connection refused",
            ["api"],
        )
    with CollectorServer() as there:
        back = Outbox(OtlpSender(Collector(there.url), SIGNAL), frame_of("api"), lambda _: None)
        TRACES.tracer = Tracer(back, 1.0)
        back.add(SPAN)
        await back.close()
    await telling.look()
    assert await state(pool) is None


@pytest.mark.soak
async def test_an_orderly_end_takes_back_what_was_told(pool: Pool, away: Outbox) -> None:
    """It stood there for three more minutes: an upgrade, and `status` said that the collector is away."""
    telling = CollectorTelling(Settings(traces_endpoint="http://c:4318"), pool, "api")
    await telling.end()  # it was never away: there is no table
    telling = CollectorTelling(Settings(traces_endpoint="http://c:4318"), pool, "api")
    await telling.look()
    assert await state(pool) is not None
    await telling.end()
    await telling.look()
    assert await state(pool) is None


@pytest.mark.soak
async def test_a_row_that_is_being_written_at_the_end_is_taken_back_too(pool: Pool, away: Outbox) -> None:
    telling = CollectorTelling(Settings(traces_endpoint="http://c:4318"), pool, "api")
    looking = asyncio.create_task(telling.look())
    await asyncio.sleep(0)  # now it has begun
    await telling.end()
    await looking
    assert await state(pool) is None


@pytest.mark.soak
@pytest.mark.parametrize("at", ["now() - interval '4 minutes'", "now() + interval '1 year'"])
async def test_what_a_killed_process_told_is_soon_worth_nothing(at: str, pool: Pool, away: Outbox) -> None:
    """Also what it told before Postgres's clock was set back: `status` said for a year that the collector is away."""
    telling = CollectorTelling(Settings(traces_endpoint="http://c:4318"), pool, "writer")
    await telling.look()
    await pool.execute(f"UPDATE {SCHEMA}.away SET process = 'killed', at = {at}")
    assert await state(pool) is None
    await CollectorTelling(Settings(traces_endpoint="http://c:4318"), pool, "api").look()
    rows = await pool.fetch(f"SELECT kind FROM {SCHEMA}.away")
    assert [row["kind"] for row in rows] == ["api"], "its row is gone too"
