"""A transparency log in a folder (port TileStore), which any web server can serve as it stands."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar
from uuid import uuid4

from domain.ports import ContentDiffers, Unavailable, reason_of
from services.durable import flush

P = ParamSpec("P")
T = TypeVar("T")


class TileFolder:
    """A path's content is a file of that name. A file appears with its whole content, by a link to what was written and
    flushed under another name.

    It has a thread of its own: a slow disk, or strangers who read, keep nothing else in the process waiting.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tile-folder")

    async def create(self, path: str, content: bytes) -> None:
        await self._run(self._create_all, [(path, content)])

    async def create_all(self, contents: Sequence[tuple[str, bytes]]) -> None:
        await self._run(self._create_all, contents)

    async def read(self, path: str) -> bytes | None:
        return await self._run(self._read, path)

    async def replace(self, path: str, content: bytes, former: bytes | None) -> None:
        await self._run(self._replace, path, content, former)

    async def remove(self, paths: Sequence[str]) -> None:
        await self._run(self._remove, paths)

    async def _run(self, work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
        try:
            doing = partial(work, *given, **named)
            return await asyncio.get_running_loop().run_in_executor(self._thread, doing)
        except OSError as fault:
            raise Unavailable(f"the folder of the transparency log: {reason_of(fault)}") from fault

    def _create_all(self, contents: Sequence[tuple[str, bytes]]) -> None:
        """Each step is done for all files before the next step: a file system flushes many files in hardly more time than one."""
        with self._written(contents) as written:
            for (path, content), each in zip(contents, written, strict=True):
                wanted = self._folder / path
                try:
                    os.link(each, wanted)
                except FileExistsError:
                    if wanted.read_bytes() != content:
                        raise ContentDiffers(path) from None
        for folder in {(self._folder / path).parent for path, _ in contents}:
            flush(folder)

    def _replace(self, path: str, content: bytes, former: bytes | None) -> None:
        wanted = self._folder / path
        with self._written([(path, content)]) as [written], _alone(self._folder):
            if self._read(path) != former:
                raise ContentDiffers(path)
            written.replace(wanted)
        flush(wanted.parent)

    @contextlib.contextmanager
    def _written(self, contents: Sequence[tuple[str, bytes]]) -> Iterator[list[Path]]:
        """Each content, flushed, in a file beside the one that it is for."""
        written: list[Path] = []
        try:
            for path, content in contents:
                beside = _folder(self._folder / path) / f".{uuid4().hex}"
                written.append(beside)
                beside.write_bytes(content)
            for each in written:
                flush(each)
            yield written
        finally:
            for each in written:
                each.unlink(missing_ok=True)

    def _read(self, path: str) -> bytes | None:
        try:
            return (self._folder / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def _remove(self, paths: Sequence[str]) -> None:
        for path in paths:
            (self._folder / path).unlink(missing_ok=True)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time replaces something in the folder. The lock ends with its holder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _folder(wanted: Path) -> Path:
    """The folder of a file. It is made if it is not there, and its own name is durable."""
    folder = wanted.parent
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        flush(folder.parent)
    return folder
