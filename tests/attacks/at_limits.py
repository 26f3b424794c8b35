"""Requests at their limits: for every operation, each member as large as the body allows, in every way in which it can
be large. And the cost of such a request until permission is decided, for a caller who has none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from botocore.model import Shape

from domain.authorization.caller import Caller
from domain.authorization.evaluate import may
from domain.commands.decide import may_ask
from domain.errors import Refusal
from domain.grants.operations import GRANTABLE
from domain.log.command import Command, encode
from domain.policy.compile import DELEGATED, DIRECT
from domain.state.fold import Fold
from services.kms_api import errors, shapes
from services.kms_api.authentication import Authenticated
from services.kms_api.incoming_request import Incoming, call_of, request_of
from services.kms_api.request_check import check_request
from services.operations.rows import Changing, NotYetPrepared, Recalling, Request, Using
from services.operations.table import SERVICES
from services.writer.step import WriterStep, _Readable
from tests.given import ACCOUNT, a_key, given, key_id

BODY = 262_144
"""The largest body of a request, in bytes (services/kms_api/app.py)."""
FIELDS = 999
"""The largest form, in bytes (services/kms_api/query.py)."""
NOBODY = f"arn:aws:iam::{ACCOUNT}:user/nobody"


def nobody() -> Caller:
    names = {NOBODY: DIRECT, f"arn:aws:iam::{ACCOUNT}:root": DELEGATED}
    return Caller(ACCOUNT, NOBODY, names, "AIDANOBODY")


# -- values ---------------------------------------------------------------------------------------------------------------


def least(shape: Shape, name: str = "") -> Any:
    """A small value that fits the shape, or nearly."""
    match shape.type_name:
        case "structure":
            return {each: least(shape.members[each], each) for each in shape.required_members}
        case "list":
            return [least(shape.member)]
        case "map":
            return {"a": least(shape.value)}
        case "boolean":
            return True
        case "integer" | "long":
            return max(1, shape.metadata.get("min", 1))
        case "timestamp":
            return 1_800_000_000
        case "blob":
            return "QUFB"
        case _:
            return _text(shape, name)


def _text(shape: Shape, name: str) -> str:
    if shape.enum:
        return str(shape.enum[0])
    if name in ("KeyId", "TargetKeyId", "SourceKeyId", "DestinationKeyId"):
        return key_id()
    if name.endswith(("Arn", "Principal")):
        return f"arn:aws:iam::{ACCOUNT}:role/a"
    least: int = shape.metadata.get("min", 1)
    return {"AliasName": "alias/a", "Path": "/"}.get(name, "a" * max(1, least))


Made = Iterator[tuple[str, Any]]
"""(how it is large, the value)"""


def _in_two_cases(number: int) -> str:
    return "".join("kK"[number >> bit & 1] for bit in range(18))


def large(shape: Shape, size: int) -> Made:
    """The value in every way in which `size` bytes make it large."""
    match shape.type_name:
        case "string":
            yield "long", "a" * size
            if shape.metadata.get("max", BODY) < 8_192:
                return  # the shape refuses it, whatever it holds
            yield "brackets", "[{" * (size // 2)
            yield "wild", "*" + "?" * size
            yield "unicode", "\u00e9" * (size // 2)
        case "blob":
            yield "long", "QUFB" * (size // 4)
        case "list":
            item = least(shape.member)
            yield "many", [item] * (size // (len(orjson.dumps(item)) + 1))
            if shape.member.type_name == "structure":
                yield "empty", [{}] * (size // 3)
                names = [each for each in shape.member.members if "Key" in each]
                if names:
                    tags = (item | {names[0]: f"{at:x}"} for at in range(size))
                    yield "different", _fill(tags, size)
            elif shape.member.type_name == "string":
                yield "different", _fill((f"{at:x}" for at in range(size)), size)
        case "map":
            value = least(shape.value)
            yield "many", dict(_fill(((f"{at:x}", value) for at in range(size)), size))
            yield "in two cases", dict(_fill(((_in_two_cases(at), value) for at in range(min(size, 1 << 18))), size))
            yield "one long", {"a" * (size // 2): "v" * (size // 2)}
        case "structure":
            for name, member in shape.members.items():
                for how, value in large(member, size):
                    yield f"{name} {how}", least(shape) | {name: value}
        case _:
            yield "number", 10**18


def _fill(items: Iterator[Any], size: int) -> list[Any]:
    found, held = [], 2
    for each in items:
        held += len(orjson.dumps(each)) + 1
        if held > size:
            break
        found.append(each)
    return found


@dataclass(frozen=True, slots=True)
class Asked:
    service: str
    operation: str
    how: str
    body: bytes
    fields: dict[str, str] | None


def requests(size: int) -> Iterator[Asked]:
    """For every operation, every way in which its request is large."""
    for service, table in SERVICES.items():
        for operation in table:
            yield from of_operation(service, operation, size)


def of_operation(service: str, operation: str, size: int) -> Iterator[Asked]:
    shape = shapes.service_model(service).operation_model(operation).input_shape
    if shape is None:
        return
    for how, parameters in large(shape, size):
        if service == "kms":
            if operation == "CreateGrant":
                parameters.setdefault("Operations", sorted(GRANTABLE)[:1])
            yield Asked(service, operation, how, orjson.dumps(parameters), None)
        else:
            fields = dict(_flat(shape, "", parameters))
            yield Asked(service, operation, how, b"", dict(list(fields.items())[:FIELDS]))


def _flat(shape: Shape, prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    """As the Query protocol writes it."""
    match shape.type_name:
        case "structure":
            for name, each in value.items():
                member = shape.members[name]
                yield from _flat(member, f"{prefix}{member.serialization.get('name', name)}.", each)
        case "list":
            item = shape.member.serialization.get("name", "member")
            for at, each in enumerate(value[:FIELDS], 1):
                yield from _flat(shape.member, f"{prefix}{item}.{at}.", each)
        case _:
            yield prefix.rstrip("."), str(value).lower() if isinstance(value, bool) else str(value)


# -- what it costs --------------------------------------------------------------------------------------------------------


class Door:
    """An API worker and a writer over one state, without the parts between them."""

    def __init__(self, *events: object) -> None:
        self.world = given(a_key(), *events).world
        fold = Fold()
        fold.world = self.world
        self._deciding = WriterStep(fold, "writer")

    def ask(self, made: Asked) -> None:
        """Do all the work until the caller is refused: in the API, and in the writer if the command goes there."""
        who = Authenticated(ACCOUNT, NOBODY, "AKIANOBODY", None, None, nobody())
        incoming = Incoming(
            "id", who, made.service, made.operation, made.body, "127.0.0.1", "tests", "", secure=False,
            at=time.time_ns() // 1000, fields=made.fields,
        )  # fmt: skip
        call = call_of(incoming, {})
        try:
            row, parameters, logged = check_request(incoming)
            call = call_of(incoming, logged)
            request = request_of(incoming, parameters, self.world.region, "")
            self._permission(row, request, call)
        except Refusal as fault:
            orjson.dumps({"message": errors.wire_error(fault).message})
            orjson.dumps(call.document())

    def _permission(self, row: Any, request: Request, call: Any) -> None:
        if isinstance(row, Changing):
            command = row.command(call.parameters, NotYetPrepared(key=key_id(), grant="a"))
            assert not may_ask(command, request.caller, self.world), "nobody may"
            self._deciding._decide(_Readable(call, {}, 0), self.world.now)
            encode(Command(call, {}, 0))
        elif isinstance(row, Using | Recalling):
            for target in row.targets(request, self.world):
                may(request.caller, target.action, self.world.resource(target.key), target.asked)
        else:
            row.access(request, self.world)
