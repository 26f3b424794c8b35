"""Some inputs over the wire; `python -m tests.fuzz wire` has the million."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from tests.fuzz import wire
from tests.fuzz.doors import DOORS
from tests.fuzz.wire import WireRun, enter, enter_many, fuzz_the_wire, is_whole, spoilt
from tests.installation import Installation

WHOLE = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


def test_no_spoilt_request_gets_a_fault_or_waits(tmp_path: Path) -> None:
    told: list[int] = []
    with Installation(tmp_path / "data", workers=2) as installation:
        run = fuzz_the_wire(1_500, 1, tmp_path, told.append, installation)
    assert run.findings == []
    assert sum(run.answers.values()) == told[-1] == 1_500
    assert {"200", "400", "closed"} <= set(run.answers)


def test_another_parser_says_what_is_a_whole_request() -> None:
    posted = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n"
    given = [WHOLE, posted + b"{}", posted + b"{", b"GET / HTTP/1.1\r\nhost", b"\x00\x01\r\n\r\n", b""]
    assert [is_whole(each) for each in given] == [True, True, False, False, False, False]


def test_the_same_seed_spoils_in_the_same_way() -> None:
    samples = DOORS["http"].samples
    made = [[spoilt(Random(seed), samples[0], samples) for seed in range(50)] for _ in range(2)]
    assert made[0] == made[1]
    assert len(set(made[0])) > 40


async def before(answer: bytes) -> tuple[asyncio.Server, int]:
    """A server that answers everything in this way, and the port; nothing at all if it is empty."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        if answer:
            writer.write(answer)
            await writer.drain()
        else:
            await asyncio.sleep(60)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


async def test_a_fault_is_found() -> None:
    server, port = await before(b"HTTP/1.1 500 Internal Server Error\r\n\r\n")
    run = WireRun()
    await enter_many(port, [WHOLE], run)
    server.close()
    assert run.findings == [("answered with a 500", WHOLE)]


@pytest.mark.parametrize("data", [WHOLE, b"GET / HTTP"], ids=["whole", "beginning"])
async def test_a_server_that_does_not_answer_is_found(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(wire, "WITHIN", 0.1)  # the time itself is not tested
    server, port = await before(b"")
    run = WireRun()
    await enter_many(port, [data], run)
    server.close()
    assert [each for _, each in run.findings] == [data]


async def test_a_connection_that_is_closed_is_an_answer() -> None:
    server, port = await before(b"closed")
    assert (await enter(port, WHOLE))[0] == ["closed"]
    server.close()
