"""Clients that go on whatever happens, and the history of their calls: what each asked, when, and what it was told.

They share one event loop. A client has one call under way. It makes it like AWS's SDKs do: attempts with one invocation id, at either
API, until one is answered or the call's time is over. A call that ends without an answer may have had its effect, or may still
have it.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid4

from services.signing import Signed, sign
from tests.consistency.observed import ObservedCall
from tests.installation import eventually

CALL_DEADLINE = 30.0
"""Seconds after which a client gives a call up."""
ATTEMPT_DEADLINE = 15.0
"""Seconds within which an attempt has to end: with an answer, or with an error that may be tried again."""
AWAY = 2.0
"""Seconds for which a client stays with the other API after a failure."""


class _Connection:
    def __init__(self, url: str, context: ssl.SSLContext | None) -> None:
        self.host, _, port = url.partition("://")[2].partition(":")
        self.port = int(port)
        self._context = context
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Raises OSError, TimeoutError, asyncio.IncompleteReadError."""
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection(self.host, self.port, ssl=self._context)
            reader, writer = self._streams
            lines = [
                f"POST / HTTP/1.1\r\ncontent-length: {len(body)}\r\n",
                *(f"{k}: {v}\r\n" for k, v in headers.items()),
                "\r\n",
            ]
            writer.write("".join(lines).encode() + body)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            given = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
            answer = await reader.readexactly(int(given.get("content-length", "0")))
            if given.get("connection") == "close":
                self.close()
            return int(head[0].split()[1]), given, answer
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None


class Client:
    """One credential's client; it prefers one API, and tries the other after a failure."""

    def __init__(self, number: int, urls: Sequence[str], key: tuple[str, str], context: ssl.SSLContext | None) -> None:
        self.number = number
        self._connections = [_Connection(each, context) for each in urls]
        self._at = self._home = number % len(urls)
        self._home_from = 0.0
        self._key = key

    async def call(self, operation: str, **parameters: Any) -> ObservedCall:
        made = ObservedCall(self.number, operation, parameters, time.monotonic())
        body, invocation = json.dumps(parameters).encode(), str(uuid4())
        ends = made.began + CALL_DEADLINE
        if made.began > self._home_from:
            self._at = self._home
        while True:
            began, at = time.monotonic(), self._at
            try:
                async with asyncio.timeout(min(ATTEMPT_DEADLINE + 1, max(0.1, ends - began))):
                    made.status, headers, text = await self._connections[at].post(
                        self._headers(at, operation, body, invocation), body
                    )
                made.answer = json.loads(text) if text else {}
                made.request_id = headers.get("x-amzn-requestid", "")
                how = str(made.status)
            except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as fault:
                made.status, how = None, type(fault).__name__
            made.ended = time.monotonic()
            made.attempts.append((at, made.ended - began, how))
            if made.answered or made.ended >= ends:
                return made
            self._at, self._home_from = (at + 1) % len(self._connections), time.monotonic() + AWAY
            await asyncio.sleep(random.uniform(0.02, 0.2))  # jitter

    def _headers(self, at: int, operation: str, body: bytes, invocation: str) -> dict[str, str]:
        connection = self._connections[at]
        headers = {
            "host": f"{connection.host}:{connection.port}",
            "x-amz-target": f"TrentService.{operation}",
            "content-type": "application/x-amz-json-1.1",
            "amz-sdk-invocation-id": invocation,
        }
        return sign(Signed("POST", "/", "", headers, body), *self._key, "us-east-1", "kms", time.time())

    def close(self) -> None:
        for each in self._connections:
            each.close()


PLAIN = b64encode(b"what the clients encrypt").decode()


class Load:
    """Changing and using clients, on a thread with a loop of its own. `calls` grows while it runs."""

    def __init__(
        self,
        urls: Sequence[str],
        key: tuple[str, str],
        context: ssl.SSLContext | None,
        *,
        changing: int = 32,
        using: int = 64,
        keys: int = 8,
        pause: float = 0.0,
    ) -> None:
        """`pause`: seconds that a client rests between two calls."""
        self.calls: list[ObservedCall] = []
        self.keys: list[str] = []
        self._clients = [Client(number, urls, key, context) for number in range(changing + using)]
        self._changing, self._keys_wanted, self._pause = changing, keys, pause
        self._numbers = itertools.count(1)
        self._name = uuid4().hex[:8]
        """Other loads on the same cluster write other values."""
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Load:
        self._thread.start()
        assert self._ready.wait(60), "the first calls were not answered"
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join(CALL_DEADLINE + 10)

    async def _run(self) -> None:
        first = self._clients[0]
        for _ in range(self._keys_wanted):
            made = await first.call("CreateKey", Description="0")
            assert made.succeeded, made
            self.calls.append(made)
            self.keys.append(made.answer["KeyMetadata"]["KeyId"])
        self._ready.set()
        work = [self._change if each.number < self._changing else self._use for each in self._clients]
        await asyncio.gather(*(self._go_on(step, each) for step, each in zip(work, self._clients, strict=True)))
        for each in self._clients:
            each.close()

    async def _go_on(self, step: Callable[[Client], Any], client: Client) -> None:
        while not self._stop.is_set():
            self.calls.append(await step(client))
            if self._pause:
                await asyncio.sleep(random.uniform(0, 2 * self._pause))

    async def _change(self, client: Client) -> ObservedCall:
        key, number = random.choice(self.keys), f"{self._name}-{next(self._numbers)}"
        match random.random():
            case chance if chance < 0.5:
                return await client.call("UpdateKeyDescription", KeyId=key, Description=number)
            case chance if chance < 0.6:
                return await client.call("DisableKey", KeyId=key)
            case chance if chance < 0.8:
                return await client.call("EnableKey", KeyId=key)
            case chance if chance < 0.9:
                return await client.call("CreateKey", Description=number)
        return await client.call("TagResource", KeyId=key, Tags=[{"TagKey": "number", "TagValue": number}])

    async def _use(self, client: Client) -> ObservedCall:
        key = random.choice(self.keys)
        if random.random() < 0.3:
            return await client.call("DescribeKey", KeyId=key)
        return await client.call("Encrypt", KeyId=key, Plaintext=PLAIN)

    # -- what it saw ----------------------------------------------------------------------------------------------

    def answered(self, *, changing: bool) -> list[float]:
        """The moments of answers, in order."""
        with suppress(RuntimeError):
            return sorted(
                each.ended for each in list(self.calls) if each.answered and (each.client < self._changing) == changing
            )
        return []

    def wait_for_answers(self, since: float, within: float) -> None:
        """Wait until a change and a use that were begun after `since` are answered, at most so many seconds: how long there was no
        answer is counted to the end only then."""

        def are_there() -> bool:
            late = [each.client < self._changing for each in self.calls[-1000:] if each.began > since and each.answered]
            return {True, False} <= set(late)

        eventually(are_there, within=within)

    def longest_gap(self, since: float, until: float, *, changing: bool) -> float:
        """The longest time in seconds without an answer."""
        moments = [since, *(at for at in self.answered(changing=changing) if since < at < until), until]
        return max(after - before for before, after in itertools.pairwise(moments))
