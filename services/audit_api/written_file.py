"""An answer that is a file. A process of its own writes it, so that no call waits for its formats."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import orjson

from domain.authorization.audience import Told
from services.inherited import for_own, python

PIECE = 1 << 16
"""The most bytes of a file that are sent at a time. A slow reader holds one such piece and one page of items."""


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """`pages` are told by an Audience; each has under `items` what `module`, started with these arguments, reads as one line.
    `name` is how a browser may call the file."""

    pages: AsyncGenerator[Told, None]
    module: str
    arguments: tuple[str, ...]
    media: str
    name: str

    @property
    def headers(self) -> dict[str, str]:
        return {"content-disposition": f'attachment; filename="{self.name}"', "x-content-type-options": "nosniff"}


class NotWritten(Exception):
    """The process that writes a file ended before its end."""


@asynccontextmanager
async def written(file: WrittenFile, pages: AsyncIterator[Told]) -> AsyncIterator[AsyncGenerator[bytes, None]]:
    """The bytes of the file. Its process ends with the context, however that ends.

    The generator raises what `pages` raises, and NotWritten.
    """
    process = await asyncio.create_subprocess_exec(
        *python(file.module),
        *file.arguments,
        env=for_own(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None, "it is a pipe"
    assert process.stdout is not None, "it is a pipe"
    feeding = asyncio.create_task(_feed(process, process.stdin, pages))
    try:
        yield _read(process, process.stdout, feeding)
    finally:
        feeding.cancel()
        _kill(process)
        await asyncio.gather(feeding, process.wait(), return_exceptions=True)


async def _feed(process: asyncio.subprocess.Process, into: asyncio.StreamWriter, pages: AsyncIterator[Told]) -> None:
    try:
        async for page in pages:
            into.write(orjson.dumps(page.value["items"]) + b"\n")
            await into.drain()
    except BaseException as fault:
        _kill(process)  # if its input just ended, it would end the file as if it were whole
        if isinstance(fault, ConnectionError):
            raise NotWritten from None
        raise
    into.close()


async def _read(
    process: asyncio.subprocess.Process, out: asyncio.StreamReader, feeding: asyncio.Task[None]
) -> AsyncGenerator[bytes, None]:
    while piece := await out.read(PIECE):
        yield piece
    await feeding
    if await process.wait():
        raise NotWritten


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
