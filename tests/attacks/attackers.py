"""Attackers who try to stop the service, in one table. A row is a name, and a function that attacks until it is told to
stop.

To add one, write a function of `Target` and add its row; `test_denial.py` runs each beside an honest client. It runs in
a separate process with less of the processor than the service, since an attacker sits on another machine.
"""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from typing import Any

from services import signing
from tests.attacks.costly import STATEMENTS, policy
from tests.attacks.strangers import AUTHORIZATION, Stranger, post


@dataclass(frozen=True)
class Target:
    """`least`: the credentials of a user of the first account without any permission. `other`: those of the root user
    of a second account. Both as variables."""

    url: str
    port: int
    least: dict[str, str]
    other: dict[str, str]
    began: Event
    stop: Event

    def rounds(self) -> Iterator[int]:
        """Count until it is time to stop."""
        number = 0
        while not self.stop.is_set():
            yield number
            number += 1


Attack = Callable[[Target], None]


def _connected(target: Target, opened: ExitStack, number: int) -> list[Stranger]:
    """As many connections as the service accepts, from some addresses."""
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
    request = signing.Signed("POST", "/", "", {"host": "x", "x-amz-target": "TrentService.ListKeys"}, b"{}")
    for number in target.rounds():
        with ExitStack() as opened:
            strangers = _connected(target, opened, 32)
            for place, each in enumerate(strangers):
                name = f"AKIA{number:08}{place:08}"
                headers = signing.sign(request, name, "made up", "us-east-1", "kms", time.time())
                said = "".join(f"{header}: {value}\r\n" for header, value in headers.items())
                each.send(f"POST / HTTP/1.1\r\nContent-Length: 2\r\n{said}\r\n{{}}".encode())
            for each in strangers:
                each.answer()


def _asked_of_all(target: Target, requests: list[bytes]) -> None:
    """Each of many connections sends its next request as soon as the last one is answered."""
    with ExitStack() as opened:
        strangers = _connected(target, opened, 80)
        for number in target.rounds():
            asked = [each for each in strangers if each.send(requests[number % len(requests)])]
            for each in asked:
                each.answer()


def _passwords(addresses: int) -> Attack:
    """Guesses of passwords from many connections, which come from some addresses."""

    def attack(target: Target) -> None:
        with ExitStack() as opened:
            strangers = []
            for each in range(80):
                with suppress(OSError):
                    address = f"127.0.4.{1 + each % addresses}"
                    strangers.append(opened.enter_context(Stranger(target.port, address, within=5)))
            for number in target.rounds():
                guess = {"account": "111122223333", "user": f"user-{number % 100}", "password": f"guess {number}"}
                body = json.dumps(guess)
                request = f"POST /v1/console/sign-ins HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}"
                for stranger in [each for each in strangers if each.send(request.encode())]:
                    stranger.answer()

    return attack


def wrong_signatures(target: Target) -> None:
    """With an access key that exists, over as much as a request may have: folded headers and a long body."""
    requests = []
    for body, headers in ((b"{}", 115), (b" " * 250_000, 1)):
        more = {f"x-h{number:03}": "  a  " * 20 for number in range(headers)}
        request = signing.Signed("POST", "/", "", {"host": "x", "x-amz-target": "TrentService.ListKeys", **more}, body)
        signed = signing.sign(request, target.least["AWS_ACCESS_KEY_ID"], "made up", "us-east-1", "kms", time.time())
        said = "".join(f"{header}: {value}\r\n" for header, value in signed.items())
        requests.append(f"POST / HTTP/1.1\r\nContent-Length: {len(body)}\r\n{said}\r\n".encode() + body)
    _asked_of_all(target, requests)


def description(target: Target) -> None:
    _asked_of_all(target, [b"GET /v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"])


def connections_that_come_and_go(target: Target) -> None:
    for _ in target.rounds():
        with ExitStack() as opened:
            _connected(target, opened, 100)


class Caller:
    """A client with a credential, on one connection."""

    def __init__(self, target: Target, credentials: dict[str, str]) -> None:
        self._netloc = f"127.0.0.1:{target.port}"
        self._key, self._secret = credentials["AWS_ACCESS_KEY_ID"], credentials["AWS_SECRET_ACCESS_KEY"]
        self._connection = http.client.HTTPConnection(self._netloc, timeout=30)

    def call(self, operation: str, parameters: object) -> dict[str, Any]:
        return self._send("/", {"x-amz-target": f"TrentService.{operation}"}, parameters, "kms")

    def ask(self, path: str, body: object) -> dict[str, Any]:
        return self._send(path, {}, body, "keytrail")

    def _send(self, path: str, headers: dict[str, str], parameters: object, service: str) -> dict[str, Any]:
        body = json.dumps(parameters).encode()
        request = signing.Signed("POST", path, "", {"host": self._netloc, **headers}, body)
        signed = signing.sign(request, self._key, self._secret, "us-east-1", service, time.time())
        try:
            self._connection.request("POST", path, body, signed)
            found = json.loads(self._connection.getresponse().read() or b"{}")
            return dict(found) if isinstance(found, dict) else {}
        except (OSError, http.client.HTTPException, ValueError):
            self._connection.close()
            return {}

    def own_key(self) -> str:
        while True:
            made = self.call("CreateKey", {})
            if "KeyMetadata" in made:
                return str(made["KeyMetadata"]["KeyId"])


def _again(operation: str, parameters: object) -> Attack:
    """A call of the user without rights."""

    def attack(target: Target) -> None:
        caller = Caller(target, target.least)
        for _ in target.rounds():
            caller.call(operation, parameters)

    return attack


_NO_KEY = "00000000-0000-4000-8000-000000000000"
_IN_TWO_CASES = {"".join("kK"[at >> bit & 1] for bit in range(16)): "v" for at in range(7_000)}


def costly_pattern(target: Target) -> None:
    """Under a policy of the caller's own: 30,000 `?` against the longest value that a request may have, and against a
    longer one."""
    caller, who = Caller(target, target.other), {"AWS": "*"}
    asking = {"StringLike": {"kms:EncryptionContext:a": "*" + "?a" * 15_000}}
    statement = {"Effect": "Allow", "Principal": who, "Action": "kms:*", "Resource": "*"}
    key = caller.own_key()
    text = json.dumps({"Statement": [statement, statement | {"Effect": "Deny", "Condition": asking}]})
    caller.call("PutKeyPolicy", {"KeyId": key, "Policy": text, "BypassPolicyLockoutSafetyCheck": True})
    for number in target.rounds():
        value = "a" * (200_000 if number % 2 else 8_000)
        caller.call("Encrypt", {"KeyId": key, "Plaintext": "QUFB", "EncryptionContext": {"a": value}})


def costly_policies(target: Target) -> None:
    caller = Caller(target, target.other)
    key = caller.own_key()
    texts = [policy(statement) for statement in STATEMENTS.values()]
    for number in target.rounds():
        put = {"KeyId": key, "Policy": texts[number % len(texts)], "BypassPolicyLockoutSafetyCheck": True}
        caller.call("PutKeyPolicy", put)


def costly_questions(target: Target) -> None:
    caller = Caller(target, target.other)
    key = caller.own_key()
    texts = [policy(statement) for statement in STATEMENTS.values()]
    for number in target.rounds():
        text = texts[number % len(texts)]
        caller.ask(f"/v1/keys/{key}/alerts", {"policy": text})
        caller.ask(f"/v1/keys/{key}/diff", {"from": "1", "to_policy": text})


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
    "passwords from one address": _passwords(1),
    "passwords from 80 addresses": _passwords(80),
    "wrong signatures over much": wrong_signatures,
    "the description again and again": description,
    "connections that come and go": connections_that_come_and_go,
    "empty tags of a user without rights": _again("TagResource", {"KeyId": _NO_KEY, "Tags": [{}] * 60_000}),
    "keys of 4096 bits that nobody may make": _again("CreateKey", {"KeySpec": "RSA_4096", "KeyUsage": "SIGN_VERIFY"}),
    "names that differ in case alone": _again(
        "CreateGrant",
        {
            "KeyId": _NO_KEY,
            "GranteePrincipal": "arn:aws:iam::111122223333:root",
            "Operations": ["Decrypt"],
            "Constraints": {"EncryptionContextSubset": _IN_TWO_CASES},
        },
    ),
    "a pattern of 30,000 signs": costly_pattern,
    "policies that nobody understands": costly_policies,
    "questions about policies that nobody understands": costly_questions,
}


def attack(name: str, target: Target) -> None:
    """The attacker's process runs this."""
    os.nice(5)
    target.began.set()
    ATTACKERS[name](target)
