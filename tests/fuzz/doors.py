"""The doors that take a stranger's bytes, each as a function of them that raises only for a fault of Keytrail.

Those of calls stand before a whole installation of the simulation: a signed call goes through signature, shape, authorization, the
operation and its record, by the real code, and has to be answered with anything but a fault.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import structlog
import uvicorn

from domain.errors import Refusal
from domain.policy.check import check_policy
from domain.policy.parse import KEY, MANAGED, TRUST
from domain.policy.parse import SESSION as SESSION_POLICY
from services.adapters.tokens import CONSOLE_CODE, GRANT, IMPORT, SESSION
from services.api.door import Door
from services.api.protocol import GuardedProtocol
from services.kms_api import query
from services.kms_api.shapes import operation_names
from services.signing import Signed, sign
from services.trails.documents import Stream, records_in
from services.trails.prepared import RecordPreparer
from services.trails.unpack_budget import TooMuch, UnpackBudget
from services.trails.wrappers import FoundRecord
from tests.simulation.installation import ROOT, SETTINGS, Installation
from tests.simulation.virtual import EPOCH, VirtualLoop, virtual_machine

ANEW_AFTER = 5_000
"""Calls before one installation, whose log grows with them."""
FAULT = 500
LONG_RSA = re.compile(rb"RSA_(?:3072|4096)")
OPERATIONS = sorted(operation_names("kms"))
FORMS = {service: sorted(operation_names(service)) for service in ("iam", "sts")}
ROOT_ARN = f"arn:aws:iam::{SETTINGS.account_id}:root"
POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "one",
                "Effect": "Allow",
                "Principal": {"AWS": ROOT_ARN},
                "Action": "kms:*",
                "Resource": "*",
                "Condition": {
                    "StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"},
                    "Bool": {"aws:SecureTransport": "true"},
                },
            }
        ],
    }
)
EVENT = {
    "eventVersion": "1.08",
    "eventSource": "kms.amazonaws.com",
    "eventName": "Decrypt",
    "eventTime": "2026-01-02T03:04:05Z",
    "awsRegion": "us-east-1",
    "eventID": "00000000-0000-4000-8000-000000000001",
    "userIdentity": {
        "type": "IAMUser",
        "arn": f"arn:aws:iam::{SETTINGS.account_id}:user/alice",
        "accountId": SETTINGS.account_id,
    },
    "requestParameters": {"keyId": "alias/one", "encryptionContext": {"a": "b"}},
    "responseElements": None,
    "resources": [{"ARN": f"arn:aws:kms:us-east-1:{SETTINGS.account_id}:key/1", "type": "AWS::KMS::Key"}],
    "errorCode": "AccessDenied",
    "errorMessage": "User is not authorized to perform: kms:Decrypt because no identity-based policy allows it",
}


class Fault(AssertionError):
    """An input was answered with a fault, or not at all."""


class _Before:
    """An installation without a socket, and the loop on which it runs. It is made anew now and then."""

    def __init__(self) -> None:
        self._asked = ANEW_AFTER
        self._loop: VirtualLoop | None = None
        self.installation: Installation | None = None

    def ask(self, work: Callable[[Installation, VirtualLoop], Any]) -> Any:
        if self._asked >= ANEW_AFTER:
            self._begin()
        self._asked += 1
        assert self._loop is not None
        assert self.installation is not None
        with virtual_machine(self._loop, self._asked):
            return self._loop.run_until_complete(work(self.installation, self._loop))

    def _begin(self) -> None:
        if self._loop is not None:
            self._loop.abandon()
        loop = self._loop = VirtualLoop()
        with virtual_machine(loop, 0):
            installation = self.installation = Installation(loop, 0)

            async def ready() -> None:
                installation.start()
                await installation.ready.wait()
                await installation.apps["api-1"].call(_signed("CreateKey", b"{}"), "10.0.0.1", False)

            loop.run_until_complete(ready())
        self._asked = 0


BEFORE = _Before()
structlog.configure(
    wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL)
)  # nothing is said of refusals


def _headers(operation: str) -> dict[str, str]:
    return {
        "host": "keytrail.invalid",
        "x-amz-target": f"TrentService.{operation}",
        "content-type": "application/x-amz-json-1.1",
    }


def _signed(operation: str, body: bytes) -> Signed:
    now = EPOCH + asyncio.get_running_loop().time()
    request = Signed("POST", "/", "", _headers(operation), body)
    return Signed("POST", "/", "", sign(request, *ROOT, SETTINGS.region, "kms", now), body)


def _form(service: str, body: bytes) -> Signed:
    headers = {"host": "keytrail.invalid", "content-type": "application/x-www-form-urlencoded"}
    now = EPOCH + asyncio.get_running_loop().time()
    request = Signed("POST", "/", "", headers, body)
    return Signed("POST", "/", "", sign(request, *ROOT, SETTINGS.region, service, now), body)


def _answered(make: Callable[[], Signed]) -> None:
    async def work(installation: Installation) -> None:
        reply = await installation.apps["api-1"].call(make(), "10.0.0.1", False)
        if reply.status == FAULT:
            raise Fault(f"{reply.status} {reply.body!r}")

    BEFORE.ask(lambda installation, loop: work(installation))


def call(data: bytes) -> None:
    """A signed call of KMS: the first byte chooses the operation, the rest is its body. No RSA key is longer than 2,048 bits: to make
    one of 4,096 may take more than a second by itself."""
    data = LONG_RSA.sub(b"RSA_2048", data)
    _answered(lambda: _signed(OPERATIONS[data[0] % len(OPERATIONS)] if data else "ListKeys", data[1:]))


def form(data: bytes) -> None:
    """A signed call of IAM or STS by the Query protocol."""
    _answered(lambda: _form("sts" if data[:1] == b"s" else "iam", data[1:]))


def ciphertext(data: bytes) -> None:
    body = json.dumps({"CiphertextBlob": b64encode(data).decode()}).encode()
    _answered(lambda: _signed("Decrypt", body))


def signature(data: bytes) -> None:
    """Headers, a path and a query that nobody signed."""
    lines = data.decode("latin-1").split("\n")
    headers = {
        name.strip().lower(): value.strip()
        for name, found, value in (line.partition(":") for line in lines[1:])
        if found
    }
    _answered(
        lambda: Signed("GET" if len(data) % 2 else "POST", "/", lines[0], {**_headers("ListKeys"), **headers}, b"{}")
    )


def token(data: bytes) -> None:
    """A session token, and every other kind of token that comes from a client."""
    text = data.decode("latin-1")

    async def work(installation: Installation) -> None:
        app = installation.apps["api-1"]
        for kind in (SESSION, GRANT, IMPORT, CONSOLE_CODE):
            app._authenticator._tokens.open(kind, text)
        request = _signed("ListKeys", b"{}")
        reply = await app.call(
            Signed("POST", "/", "", {**request.headers, "x-amz-security-token": text}, b"{}"), "10.0.0.1", False
        )
        if reply.status == FAULT:
            raise Fault(f"{reply.status} {reply.body!r}")

    BEFORE.ask(lambda installation, loop: work(installation))


def policy(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    for kind in (KEY, MANAGED, SESSION_POLICY, TRUST):
        with suppress(Refusal):
            check_policy(text, kind)


def cloudtrail(data: bytes) -> None:
    """A record of a trail, or a file: whatever is in it, it is read or has a reason why not."""
    RecordPreparer().prepare(FoundRecord("a file", "line 1", data))
    RecordPreparer().prepare(FoundRecord("an answer", "part 1", data, of_answer=True))
    preparing = RecordPreparer()
    with suppress(TooMuch):
        for each in records_in(Stream(io.BytesIO(data).read, UnpackBudget()), "a file"):
            preparing.prepare(each)


def form_fields(data: bytes) -> None:
    with suppress(Refusal):
        query.fields(data)


class _Wire(asyncio.Transport):
    """In the place of a socket: keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("10.0.0.1", 1), "sockname": ("10.0.0.2", 8600)})
        self.written = bytearray()
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0


LOOKED_FOR = 0.2
"""Virtual seconds in which a connection's requests are answered, unless they are waited for."""


def http(data: bytes) -> None:
    """The bytes of a connection, in two pieces: what is written back is no fault, and nothing is left waiting for ever."""

    async def work(installation: Installation, loop: VirtualLoop) -> None:
        config = uvicorn.Config(
            _nowhere, ws="none", lifespan="off", log_config=None, access_log=False, server_header=False
        )
        config.load()
        wire, state = _Wire(), uvicorn.server.ServerState()
        protocol = GuardedProtocol(
            installation.apps["api-1"].call, Door(8, 8, ()), config=config, server_state=state, app_state={}, _loop=loop
        )
        protocol.connection_made(wire)
        half = len(data) // 2
        for piece in (data[:half], data[half:]):
            if not wire.closed:
                protocol.data_received(piece)
                await asyncio.sleep(LOOKED_FOR)
        if not wire.closed:
            protocol.eof_received()
        protocol.connection_lost(None)
        await asyncio.sleep(0)
        if b"HTTP/1.1 500" in wire.written:
            raise Fault(bytes(wire.written[:500]).decode("latin-1"))

    BEFORE.ask(work)


async def _nowhere(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@dataclass(frozen=True, slots=True)
class FuzzedDoor:
    """`samples`: inputs that are right, from which others are made. `longest`: the most bytes of an input."""

    enter: Callable[[bytes], None]
    samples: Sequence[bytes]
    longest: int = 4096


def _body(operation: str, **parameters: Any) -> bytes:
    return bytes([OPERATIONS.index(operation)]) + json.dumps(parameters).encode()


def _request(line: str, headers: Mapping[str, str], body: bytes) -> bytes:
    head = "".join(f"{name}: {value}\r\n" for name, value in {**headers, "content-length": str(len(body))}.items())
    return f"{line} HTTP/1.1\r\n{head}\r\n".encode() + body


AUTHORIZATION = (
    f"authorization: AWS4-HMAC-SHA256 Credential={ROOT[0]}/20270115/us-east-1/kms/aws4_request, "
    f"SignedHeaders=host;x-amz-date;x-amz-target, Signature={'0' * 64}\nx-amz-date: 20270115T080000Z"
)
PRESIGNED = urlencode(
    {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{ROOT[0]}/20270115/us-east-1/sts/aws4_request",
        "X-Amz-Date": "20270115T080000Z",
        "X-Amz-Expires": "60",
        "X-Amz-SignedHeaders": "host",
        "X-Amz-Signature": "0" * 64,
        "Action": "GetCallerIdentity",
        "Version": "2011-06-15",
    }
)
DOORS: Mapping[str, FuzzedDoor] = {
    "http": FuzzedDoor(
        http,
        (
            _request("POST /", _headers("ListKeys"), b"{}"),
            _request("GET /healthz", {"host": "a"}, b""),
            _request("POST /", {"host": "a", "transfer-encoding": "chunked"}, b"2\r\n{}\r\n0\r\n\r\n"),
        ),
    ),
    "signature": FuzzedDoor(signature, (f"\n{AUTHORIZATION}".encode(), f"{PRESIGNED}\nhost: a".encode())),
    "call": FuzzedDoor(
        call,
        (
            _body(
                "CreateKey",
                Policy=POLICY,
                Tags=[{"TagKey": "a", "TagValue": "b"}],
                KeySpec="RSA_2048",
                KeyUsage="SIGN_VERIFY",
            ),
            _body("Encrypt", KeyId="alias/one", Plaintext="aGk=", EncryptionContext={"a": "b"}),
            _body(
                "CreateGrant",
                KeyId="x",
                GranteePrincipal=ROOT_ARN,
                Operations=["Decrypt"],
                Constraints={"EncryptionContextEquals": {"a": "b"}},
            ),
            _body("PutKeyPolicy", KeyId="x", PolicyName="default", Policy=POLICY),
            _body("ListGrants", KeyId="x", Limit=1, Marker="x"),
        ),
    ),
    "form": FuzzedDoor(
        form,
        tuple(
            service[:1].encode() + urlencode({"Version": version, **parameters}).encode()
            for service, version, parameters in (
                (
                    "iam",
                    "2010-05-08",
                    {"Action": "CreateUser", "UserName": "a", "Tags.member.1.Key": "k", "Tags.member.1.Value": "v"},
                ),
                ("iam", "2010-05-08", {"Action": "CreateRole", "RoleName": "r", "AssumeRolePolicyDocument": POLICY}),
                (
                    "sts",
                    "2011-06-15",
                    {"Action": "AssumeRole", "RoleArn": "arn:aws:iam::1:role/r", "RoleSessionName": "s"},
                ),
                (
                    "sts",
                    "2011-06-15",
                    {
                        "Action": "AssumeRoleWithWebIdentity",
                        "RoleArn": "r",
                        "RoleSessionName": "s",
                        "WebIdentityToken": "a.b.c",
                    },
                ),
            )
        ),
    ),
    "form fields": FuzzedDoor(form_fields, (b"Action=ListUsers&Version=2010-05-08&a.member.1=b",)),
    "policy": FuzzedDoor(policy, (POLICY.encode(),)),
    "ciphertext": FuzzedDoor(ciphertext, (b"\x01" + bytes(80), b"\x02" + bytes(range(100)))),
    "token": FuzzedDoor(token, (b64encode(b"\x01" + bytes(90)),)),
    "cloudtrail": FuzzedDoor(cloudtrail, (json.dumps(EVENT).encode(),)),
}
