"""Inputs over the wire: spoilt requests on real sockets, before a real installation with two API workers.

Each input has to be answered with anything but a 500, or its connection closed, within a second. Where it is only the beginning of a
request, the connection is closed from here, which the worker has to see. In the end no process may have ended or have grown by
more than GROWTH.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import h11
import psutil

from services.runtime.data_folder import Folder
from services.signing import Signed, sign
from tests.fuzz.doors import DOORS, OPERATIONS
from tests.installation import Installation

AT_ONCE = 16
"""Connections at the same time: no more than one address may have as a stranger."""
WITHIN = 1.0
"""Seconds for an answer."""
INCOMPLETE = 0.02
"""Seconds for an answer to what is no whole request, such as a 400, before the connection is closed from here."""
GROWTH = 256
"""Megabytes by which a process may grow."""
BATCH = 1_000
"""Inputs between two looks at what has been found."""
PATHS = (
    "/",
    "/healthz",
    "/metrics",
    "/console/",
    "/v1/status",
    "/v1/keys",
    "/v1/decisions?from=x&limit=1",
    "/v1/../",
    "//",
)
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
NUMBERS = (
    b"0",
    b"-1",
    b"65536",
    b"2147483648",
    b"18446744073709551616",
    b"1e999",
    b"\x00",
    b"\xff\xfe",
    b"\r\n",
    b"\xed\xa0\x80",
)


@dataclass(slots=True)
class WireRun:
    """`answers`: by status, how many; `closed` for a connection that was closed without an answer. `findings`: (why, input)."""

    answers: Counter[str] = field(default_factory=Counter)
    findings: list[tuple[str, bytes]] = field(default_factory=list)
    slowest: float = 0.0
    growth: int = 0


def spoilt(chance: Random, sample: bytes, others: Sequence[bytes]) -> bytes:
    """The sample with one to four changes, as fuzzers make them: bits, bytes, parts taken out, doubled, or of another sample."""
    data = bytearray(sample)
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(data))
        until = min(len(data), at + chance.choice((1, 2, 8, 64)))
        match chance.randrange(6):
            case 0 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                data[at:at] = chance.randbytes(chance.choice((1, 2, 8)))
            case 2:
                del data[at:until]
            case 3:
                data[at:at] = data[at:until] * chance.choice((1, 2, 50))
            case 4:
                data[at:until] = chance.choice(NUMBERS)
            case _:
                other = chance.choice(others)
                begin = chance.randint(0, len(other))
                data[at:until] = other[begin : begin + chance.choice((4, 32, 400))]
    return bytes(data[:8192])


def is_whole(data: bytes) -> bool:
    """Whether this is a whole request, as another parser (h11) reads it."""
    parser = h11.Connection(h11.SERVER)
    try:
        parser.receive_data(data)
        while True:
            event = parser.next_event()
            if isinstance(event, h11.EndOfMessage):
                return True
            if event in (h11.NEED_DATA, h11.PAUSED) or isinstance(event, h11.ConnectionClosed):
                return False
    except h11.RemoteProtocolError:
        return False


def quick(sample: bytes) -> bytes:
    """The sample without RSA keys: to make one may take a second by itself, and sixteen are asked for at once."""
    return re.sub(rb"RSA_\d+", b"ECC_NIST_P256", sample)


class Inputs:
    """What is sent: requests that were spoilt, calls that were signed after they were spoilt, and signed ones spoilt then."""

    def __init__(self, seed: int, corpora: Path, host: str, credential: tuple[str, str]) -> None:
        """`corpora`: where the doors' corpora of `make fuzz` are, if there are any."""
        self._chance = Random(seed)
        self._host = host
        self._credential = credential
        self._samples = {
            name: [
                quick(each)
                for each in (
                    *DOORS[name].samples,
                    *(path.read_bytes() for path in sorted((corpora / name / "corpus").glob("*"))),
                )
            ]
            for name in ("http", "call", "form")
        }

    def next(self) -> bytes:
        chance = self._chance
        kind = chance.choices(("http", "call", "form", "late"), (5, 3, 1, 2))[0]
        if kind == "http":
            data = spoilt(chance, chance.choice(self._samples[kind]), self._samples[kind])
            return data.replace(b" / ", f" {chance.choice(PATHS)} ".encode(), 1)
        if kind == "late":
            return spoilt(chance, self._call(chance.choice(self._samples["call"])), self._samples["http"])
        body = spoilt(chance, chance.choice(self._samples[kind]), self._samples[kind])
        return self._call(body) if kind == "call" else self._form(body)

    def _call(self, body: bytes) -> bytes:
        operation = OPERATIONS[body[0] % len(OPERATIONS)] if body else "ListKeys"
        target = {"x-amz-target": f"TrentService.{operation}", "content-type": "application/x-amz-json-1.1"}
        return self._request("kms", target, body[1:])

    def _form(self, body: bytes) -> bytes:
        service = "sts" if body[:1] == b"s" else "iam"
        return self._request(service, {"content-type": "application/x-www-form-urlencoded"}, body[1:])

    def _request(self, service: str, headers: dict[str, str], body: bytes) -> bytes:
        request = Signed("POST", "/", "", {"host": self._host, **headers}, body)
        signed = sign(request, *self._credential, "us-east-1", service, time.time())
        head = "".join(f"{name}: {value}\r\n" for name, value in {**signed, "content-length": str(len(body))}.items())
        return f"POST / HTTP/1.1\r\n{head}\r\n".encode() + body


async def enter(port: int, data: bytes) -> tuple[list[str], float]:
    """(statuses that were answered, seconds until the first one or the end of the connection). Raises TimeoutError."""
    whole = is_whole(data)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()
    answered = b""
    try:
        writer.write(data)
        if whole:
            answered = await asyncio.wait_for(reader.read(65536), WITHIN)
        else:
            with suppress(TimeoutError):
                answered = await asyncio.wait_for(reader.read(65536), INCOMPLETE)
            if not answered and not reader.at_eof():
                writer.write_eof()
                began = time.monotonic()
                answered = await asyncio.wait_for(reader.read(65536), WITHIN)
    except ConnectionError:  # closed while it was being written
        pass
    finally:
        writer.transport.abort()
    return [found.decode() for found in STATUS.findall(answered)] or ["closed"], time.monotonic() - began


async def enter_many(port: int, inputs: Sequence[bytes], run: WireRun) -> None:
    waiting = iter(inputs)

    async def one_after_another() -> None:
        for data in waiting:
            try:
                statuses, seconds = await enter(port, data)
            except TimeoutError:
                why = await _again_alone(port, data)
                if why:
                    run.findings.append((why, data))
                continue
            run.answers.update(statuses)
            run.slowest = max(run.slowest, seconds)
            if "500" in statuses:
                run.findings.append(("answered with a 500", data))

    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(one_after_another())


async def _again_alone(port: int, data: bytes) -> str:
    """Whether it takes more than a second every time. Once may be the machine's doing."""
    for _ in range(3):
        try:
            await enter(port, data)
        except TimeoutError:
            continue
        return ""
    return f"no answer within {WITHIN:.0f} s, four times"


def megabytes(installation: Installation) -> dict[int, int]:
    """By process."""
    running = Folder(installation.data).state()
    assert running is not None
    pids = {pid for pid, *_ in running.children.values()}
    return {pid: psutil.Process(pid).memory_info().rss >> 20 for pid in pids}


def fuzz_the_wire(
    inputs: int,
    seed: int,
    corpora: Path,
    tell: Callable[[int], None],
    installation: Installation,
    seconds: float = math.inf,
) -> WireRun:
    """Sends this many inputs, or as many as it can in this time. `tell` is called with how many were sent. `installation` has been
    started."""
    client = installation.client()
    key = client.create_key()["KeyMetadata"]["KeyId"]
    client.create_alias(AliasName="alias/one", TargetKeyId=key)
    given = installation.credentials()
    credential = (given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"])
    made = Inputs(seed, corpora, f"127.0.0.1:{installation.port}", credential)
    run, sent = WireRun(), 0
    before = megabytes(installation)
    ends = time.monotonic() + seconds
    while sent < inputs and time.monotonic() < ends and not run.findings:
        batch = [made.next() for _ in range(min(BATCH, inputs - sent))]
        asyncio.run(enter_many(installation.port, batch, run))
        sent += len(batch)
        tell(sent)
    after = megabytes(installation)
    if set(after) != set(before):
        run.findings.append((f"processes ended: {sorted(set(before) - set(after))}", b""))
    run.growth = max((after[pid] - size for pid, size in before.items() if pid in after), default=0)
    if run.growth > GROWTH:
        run.findings.append((f"a process grew by {run.growth} MB", b""))
    client.describe_key(KeyId="alias/one")
    return run
