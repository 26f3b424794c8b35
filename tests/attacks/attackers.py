"""Who tries to stop the service, in one table: a row is a name, and a function that attacks until it is told to stop.

To add one, write a function of `Target` and add its row; `test_denial.py` runs each beside an honest client. It runs in a
process of its own, with less of the processor than the service has: an attacker sits on another machine.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing.synchronize import Event

from services.api import sigv4
from tests.attacks.strangers import AUTHORIZATION, Stranger, post


@dataclass(frozen=True)
class Target:
    """`least` are the credentials of a user of the first account whom no policy lets in to anything, `other` those of the root
    user of a second account, as variables."""

    url: str
    port: int
    least: dict[str, str]
    other: dict[str, str]
    began: Event
    stop: Event

    def rounds(self) -> Iterator[int]:
        """Numbers until it is time to stop."""
        number = 0
        while not self.stop.is_set():
            yield number
            number += 1


Attack = Callable[[Target], None]


def _connected(target: Target, opened: ExitStack, number: int) -> list[Stranger]:
    """As many connections as the service takes, from some addresses."""
    found = []
    for each in range(number):
        with suppress(OSError):
            found.append(opened.enter_context(Stranger(target.port, f"127.0.3.{1 + each % 40}", within=1)))
    return found


def chunks_of_one_byte(target: Target) -> None:
    for _ in target.rounds():
        with ExitStack() as opened:
            strangers = _connected(target, opened, 10)
            for each in strangers:
                each.send(post())
            for _ in range(16):  # 1.5 MB each
                for each in strangers:
                    each.send(b"1\r\nx\r\n" * 16_384)


def trailers(target: Target) -> None:
    for _ in target.rounds():
        with ExitStack() as opened:
            for each in _connected(target, opened, 10):
                each.send(post() + b"1\r\nx\r\n0\r\n")
                each.send(b"X-Late: 1\r\n" * 4000)
                each.send(b"X-Late: " + b"x" * 1_000_000)


def long_authorization(target: Target) -> None:
    for number in target.rounds():
        names = ";".join(f"{number}{each}" for each in range(4000))[:30_000]
        with ExitStack() as opened:
            for each in _connected(target, opened, 4):
                each.send(post(f"Authorization: {AUTHORIZATION.format(signed=names)}\r\n", length=0))
                each.answer()


def idle_connections(target: Target) -> None:
    for _ in target.rounds():
        with ExitStack() as opened:
            _connected(target, opened, 4200)
            target.stop.wait(2)


def unfinished_bodies(target: Target) -> None:
    for _ in target.rounds():
        with ExitStack() as opened:
            for each in _connected(target, opened, 900):
                each.send(post(length=260_000) + b"x" * 250_000)
            target.stop.wait(2)


def a_byte_at_a_time(target: Target) -> None:
    head = post(length=100_000)
    with ExitStack() as opened:
        strangers = _connected(target, opened, 400)
        for number in target.rounds():
            for each in strangers:
                each.send(head[number : number + 1] or b"x")


def requests_ahead(target: Target) -> None:
    for _ in target.rounds():
        with ExitStack() as opened:
            for each in _connected(target, opened, 10):
                each.send(b"GET /healthz HTTP/1.1\r\n\r\n" * 10_000)


def answers_unread(target: Target) -> None:
    for _ in target.rounds():
        with ExitStack() as opened:
            for each in _connected(target, opened, 400):
                each.send(b"GET /metrics HTTP/1.1\r\n\r\n" * 16)
            target.stop.wait(2)


def metrics(target: Target) -> None:
    with ExitStack() as opened:
        strangers = _connected(target, opened, 16)
        for _ in target.rounds():
            for each in strangers:
                if each.send(b"GET /metrics HTTP/1.1\r\n\r\n"):
                    each.answer()


def unknown_access_keys(target: Target) -> None:
    request = sigv4.Signed("POST", "/", "", {"host": "x", "x-amz-target": "TrentService.ListKeys"}, b"{}")
    for number in target.rounds():
        with ExitStack() as opened:
            strangers = _connected(target, opened, 32)
            for place, each in enumerate(strangers):
                name = f"AKIA{number:08}{place:08}"
                headers = sigv4.sign(request, name, "made up", "us-east-1", "kms", time.time())
                said = "".join(f"{header}: {value}\r\n" for header, value in headers.items())
                each.send(f"POST / HTTP/1.1\r\nContent-Length: 2\r\n{said}\r\n{{}}".encode())
            for each in strangers:
                each.answer()


def connections_that_come_and_go(target: Target) -> None:
    for _ in target.rounds():
        with ExitStack() as opened:
            _connected(target, opened, 100)


ATTACKERS: dict[str, Attack] = {
    "body in chunks of one byte": chunks_of_one_byte,
    "trailers": trailers,
    "long Authorization headers": long_authorization,
    "4,200 idle connections": idle_connections,
    "900 unfinished bodies": unfinished_bodies,
    "a byte at a time": a_byte_at_a_time,
    "10,000 requests ahead": requests_ahead,
    "answers that nobody reads": answers_unread,
    "the metrics again and again": metrics,
    "access keys that nobody has": unknown_access_keys,
    "connections that come and go": connections_that_come_and_go,
}


def attack(name: str, target: Target) -> None:
    """What the attacker's process runs."""
    os.nice(5)
    target.began.set()
    ATTACKERS[name](target)
