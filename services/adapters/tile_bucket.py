"""A transparency log in a bucket of S3, or of a server that speaks its protocol (port TileStore).

Writes are conditional, as S3 offers them: `If-None-Match: *` creates, and `If-Match` with the ETag replaces what was read. A
server that passes over these headers is refused at the start. `obstore` does both, and no thread of Python's waits. `s3fs` of
fsspec can create if absent but not replace if unchanged: two notaries could take back each other's checkpoint.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

from domain.ports import ContentDiffers, Unavailable

if TYPE_CHECKING:  # it is loaded in 20 ms and 15 MB, and most installations have a folder
    from obstore.store import S3Store

T = TypeVar("T")
ANSWER_WITHIN, CONNECT_WITHIN, AGAIN_WITHIN = timedelta(seconds=10), timedelta(seconds=3), timedelta(seconds=10)
RETRIES = 3
LONGEST_REASON = 300
NO_BUCKET = "<Code>NoSuchBucket<"
CREATED_AT_ONCE, REMOVED_AT_ONCE = 16, 1_000
"""S3 takes 30 ms for each that is created, and removes a thousand by one request."""


@dataclass(frozen=True, slots=True)
class BucketAddress:
    """`endpoint` "": AWS's own. `access_key_id` "": the credentials of the machine's or the container's role."""

    bucket: str
    prefix: str
    endpoint: str
    region: str
    access_key_id: str = ""
    secret_access_key: str = ""


class TileBucket:
    """A path's content is the object of that name below the prefix."""

    def __init__(self, address: BucketAddress) -> None:
        self._address = address
        self._opened: S3Store | None = None

    @property
    def _store(self) -> S3Store:
        if self._opened is None:
            from obstore.store import S3Store

            address = self._address
            asked: dict[str, str] = {}
            if address.endpoint:
                asked["endpoint"] = address.endpoint
            if address.access_key_id:
                asked |= {"access_key_id": address.access_key_id, "secret_access_key": address.secret_access_key}
            self._opened = S3Store(
                address.bucket,
                prefix=address.prefix or None,
                region=address.region,
                client_options={
                    "timeout": ANSWER_WITHIN,
                    "connect_timeout": CONNECT_WITHIN,
                    "allow_http": address.endpoint.startswith("http://"),
                },
                retry_config={"max_retries": RETRIES, "retry_timeout": AGAIN_WITHIN},
                **asked,  # type: ignore[arg-type]  # the names of its configuration
            )
        return self._opened

    async def create(self, path: str, content: bytes) -> None:
        if await self._is_put(path, content, None) or await self.read(path) == content:
            return
        raise ContentDiffers(path)

    async def create_all(self, contents: Sequence[tuple[str, bytes]]) -> None:
        for first in range(0, len(contents), CREATED_AT_ONCE):
            some = contents[first : first + CREATED_AT_ONCE]
            await asyncio.gather(*(self.create(path, content) for path, content in some))

    async def read(self, path: str) -> bytes | None:
        found = await self._found(path)
        return None if found is None else found[0]

    async def replace(self, path: str, content: bytes, former: bytes | None) -> None:
        tag = None
        if former is not None:
            found = await self._found(path)
            if found is None or found[0] != former:
                raise ContentDiffers(path)
            tag = found[1]
        # A request that was sent again, because its answer was lost, is refused though it took effect.
        if not await self._is_put(path, content, tag) and await self.read(path) != content:
            raise ContentDiffers(path)

    async def remove(self, paths: Sequence[str]) -> None:
        import obstore

        for first in range(0, len(paths), REMOVED_AT_ONCE):
            some = list(paths[first : first + REMOVED_AT_ONCE])
            await self._answer(obstore.delete_async(self._store, some))

    async def heeds_conditions(self) -> bool:
        """Tries it with an object that is removed again. Raises Unavailable."""
        path = f"conditions/{uuid4().hex}"
        try:
            return (
                await self._is_put(path, b"one", None)
                and not await self._is_put(path, b"two", None)
                and not await self._is_put(path, b"two", '"0123456789abcdef0123456789abcdef"')
            )
        finally:
            await self.remove([path])

    async def _found(self, path: str) -> tuple[bytes, str] | None:
        """The content and its ETag."""
        import obstore

        async def got() -> tuple[bytes, str]:
            answer = await obstore.get_async(self._store, path)
            return bytes(await answer.bytes_async()), answer.meta["e_tag"] or ""

        try:
            return await self._answer(got())
        except FileNotFoundError as fault:
            if NO_BUCKET in str(fault):
                raise self._away(fault) from None
            return None

    async def _is_put(self, path: str, content: bytes, tag: str | None) -> bool:
        """False if the object is not the one with this tag (None: if there is one)."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        try:
            if tag is None:
                await self._answer(obstore.put_async(self._store, path, content, mode="create", use_multipart=False))
            else:
                await self._answer(
                    obstore.put_async(self._store, path, content, mode={"e_tag": tag}, use_multipart=False)
                )
        except (AlreadyExistsError, PreconditionError):
            return False
        except FileNotFoundError as fault:  # the bucket itself
            raise self._away(fault) from None
        return True

    async def _answer(self, asked: Awaitable[T]) -> T:
        """Raises Unavailable, FileNotFoundError, AlreadyExistsError, PreconditionError."""
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        try:
            return await asked
        except (AlreadyExistsError, PreconditionError, FileNotFoundError):
            raise
        except (BaseError, OSError) as fault:
            raise self._away(fault) from None

    def _away(self, fault: Exception) -> Unavailable:
        reason = str(fault).partition("\n")[0][:LONGEST_REASON]
        return Unavailable(f"the bucket {self._address.bucket} of the transparency log: {reason}")
