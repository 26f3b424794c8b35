"""How a call is answered: on the present with a durable decision, or through the writer.

The order of every operation: signature, shape, resolution of the key, access, key usage, key state, the operation's own
rules. No record, no answer: whatever is answered to an authenticated caller has its record first.
"""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any
from uuid import uuid4

import orjson

from domain.access import OTHER_ACCOUNT, Verdict, may_in_account, may_use, refusal_of
from domain.arn import key_arn
from domain.crypto.material import generate
from domain.crypto.specs import SPECS
from domain.decide import refused
from domain.errors import (
    CredentialDisabled,
    DryRunSucceeded,
    InvalidKeyUsage,
    Refusal,
    UnsupportedOperation,
    refusal,
)
from domain.keys.states import require_state
from domain.ports import Topic, Unavailable
from domain.trail.codec import rfc3339
from domain.trail.command import Command, encode
from domain.trail.record import ALLOWED, Call, Decision, Record
from services.adapters import cloudevents
from services.adapters.kafka import Decisions
from services.adapters.vault import Vault
from services.api import errors, shapes
from services.api.authentication import Authenticated
from services.api.limits import RateLimit
from services.api.present import NotFresh, Present
from services.metrics import NOT_ANSWERED
from services.operations.rows import Answer, Changing, Listing, Materials, Request, Row, Using
from services.operations.table import OPERATIONS
from services.settings import Settings

AUTHENTICATION = "authentication"
"""The rule that refused a caller whose signature is right and whose access key is disabled."""
ANSWER_SLACK = 2.0
"""Seconds beyond a command's deadline for which its record is still waited for."""


@dataclass(slots=True)  # made for every call: frozen would cost a microsecond
class Incoming:
    """An authenticated request, before its shape is checked."""

    id: str
    who: Authenticated
    operation: str
    body: bytes
    source: str
    agent: str
    invocation: str


def _call(incoming: Incoming, parameters: dict[str, Any]) -> Call:
    return Call(
        id=incoming.id,
        access_key=incoming.who.access_key,
        principal=incoming.who.caller.principal,
        account=incoming.who.caller.account,
        source=incoming.source,
        agent=incoming.agent,
        operation=incoming.operation,
        parameters=parameters,
        invocation=_invocation(incoming),
    )


def _invocation(incoming: Incoming) -> str:
    """What a client's retries of one call have in common; "" for a client that does not say."""
    if not incoming.invocation:
        return ""
    digest = sha256(incoming.body)
    for part in (incoming.who.access_key, incoming.operation, incoming.invocation):
        digest.update(b"\0" + part.encode())
    return digest.hexdigest()


class Calls:
    """The service behind the door. Raises WireError for everything that is not an answer."""

    def __init__(
        self,
        settings: Settings,
        present: Present,
        commands: Topic,
        decisions: Decisions,
        vault: Vault,
        materials: Materials,
    ) -> None:
        self._settings = settings
        self._present = present
        self._commands = commands
        self._decisions = decisions
        self._vault = vault
        self._materials = materials
        self._limit = RateLimit(settings.change_rate, settings.change_burst)

    async def kms(self, incoming: Incoming) -> Answer:
        """Raises WireError."""
        try:
            row, parameters, secret = self._checked(incoming)
            if isinstance(row, Changing):
                self._limit.take(incoming.who.caller.principal)
        except Refusal as fault:
            await self.record_refusal(_call(incoming, {}), fault)
            raise errors.wire_error(fault) from None
        call = _call(incoming, shapes.logged(parameters, secret))
        request = Request(incoming.operation, parameters, incoming.who.caller)
        if isinstance(row, Changing):
            return await self._change(row, request, call)
        return await self._answer(row, request, call)

    def _checked(self, incoming: Incoming) -> tuple[Row, dict[str, Any], frozenset[str]]:
        """The operation's row and its parameters, right by the model's shape. Raises refusals of the door."""
        if not incoming.who.active:
            raise CredentialDisabled("The security token included in the request is invalid.")
        operation = incoming.operation
        if operation not in shapes.operation_names("kms"):
            raise errors.UnknownOperation(f"There is no operation {operation[:64]!r}.")
        compiled = shapes.compiled("kms", operation)
        try:
            parameters = compiled.check(orjson.loads(incoming.body or b"{}"))
        except shapes.Invalid as fault:
            raise errors.InvalidShape(str(fault)) from None
        except (shapes.WrongType, orjson.JSONDecodeError) as fault:
            raise errors.WrongType("" if isinstance(fault, orjson.JSONDecodeError) else str(fault)) from None
        row = OPERATIONS.get(operation)
        if row is None:
            raise UnsupportedOperation(f"{operation} is not supported by this version of Keytrail.")
        return row, parameters, compiled.secret

    # -- calls that change nothing ------------------------------------------------------------------------------

    async def _answer(self, row: Using | Listing, request: Request, call: Call) -> Answer:
        verdicts: list[Verdict] = []
        try:
            self._present.require_fresh()
            seen = self._present.position
            try:
                answer = await self._attempt(row, request, verdicts)
            except Refusal as first:
                if isinstance(first, DryRunSucceeded):
                    raise
                # A refusal is given only on a present fetched after the call arrived.
                await self._present.barrier()
                verdicts.clear()
                seen = self._present.position
                answer = await self._attempt(row, request, verdicts)
        except Refusal as fault:
            await self._record(call, refused(fault, tuple(verdicts)), seen)
            raise errors.wire_error(fault) from None
        except NotFresh:
            NOT_ANSWERED.labels("not-fresh").inc()
            raise errors.not_now("The log's newest state is not known to this server now; try again.") from None
        except Unavailable as fault:
            NOT_ANSWERED.labels("vault").inc()
            raise errors.not_now(str(fault)) from None
        reasons = tuple(verdict.document() for verdict in verdicts)
        resources = tuple(dict.fromkeys(verdict.resource for verdict in verdicts))
        await self._record(call, Decision(ALLOWED, reasons, None, resources), seen)
        return answer

    async def _attempt(self, row: Using | Listing, request: Request, verdicts: list[Verdict]) -> Answer:
        """One try on the present as it is. Raises Refusal, Unavailable; `verdicts` has what was asked until then."""
        if isinstance(row, Using):
            return await self._use(row, request, verdicts)
        return self._list(row, request, verdicts)

    async def _use(self, row: Using, request: Request, verdicts: list[Verdict]) -> Answer:
        world, caller = self._present.world, request.caller
        targets = row.targets(request, world)
        for target in targets:
            key = target.key
            if key.account != caller.account and not row.cross_account:
                verdicts.append(Verdict(False, target.action, key.arn, OTHER_ACCOUNT))
            else:
                verdicts.append(may_use(caller, target.action, key.policy, key.arn))
            if not verdicts[-1].allowed:
                raise refusal_of(caller, verdicts[-1])
        for target in targets:
            if target.usage is not None and target.key.usage != target.usage:
                raise InvalidKeyUsage(
                    f"{target.key.arn} key usage is {target.key.usage} which is not valid for {request.operation}."
                )
        for target in targets:
            require_state(request.operation, target.key.arn, target.key.state)
        return await row.run(request, world, [target.key for target in targets], self._materials)

    def _list(self, row: Listing, request: Request, verdicts: list[Verdict]) -> Answer:
        world, caller = self._present.world, request.caller
        resource = key_arn(world.region, caller.account, "*")
        verdicts.append(may_in_account(caller, row.action, caller.account, resource))
        if not verdicts[-1].allowed:
            raise refusal_of(caller, verdicts[-1])
        return row.run(request, world)

    async def record_refusal(self, call: Call, fault: Refusal) -> None:
        """A refusal at the door, on record. Raises WireError where it cannot be made durable."""
        decision = refused(fault)
        if isinstance(fault, CredentialDisabled):
            reason = {
                "action": call.operation,
                "resource": call.principal,
                "effect": "deny",
                "by": {"rule": AUTHENTICATION},
            }
            decision = replace(decision, reasons=(reason,))
        await self._record(call, decision, self._present.position)

    async def _record(self, call: Call, decision: Decision, seen: int) -> None:
        """Make a decision durable. Raises WireError where it cannot be: then nothing may be answered."""
        at = rfc3339(time.time_ns() // 1000)
        log = self._present.world.log
        document = {
            "v": 1,
            "log": log,
            "seen": seen,
            "at": at,
            "call": call.document(),
            "decision": decision.document(),
        }
        try:
            value = orjson.dumps(document)
            await self._decisions.append(value, cloudevents.headers(call.id, log, "call.decided", at))
        except Unavailable:
            NOT_ANSWERED.labels("decision-not-durable").inc()
            raise errors.not_now("The decision could not be made durable; try again.") from None

    # -- calls that change something ----------------------------------------------------------------------------

    async def _change(self, row: Changing, request: Request, call: Call) -> Answer:
        try:
            made = await self._prepare(row, request.parameters)
        except Unavailable as fault:
            NOT_ANSWERED.labels("vault").inc()
            raise errors.not_now(str(fault)) from None
        record = await self.command(call, made)
        return row.answer(record.event, self._present.world.region, record.at)

    async def _prepare(self, row: Changing, parameters: Any) -> dict[str, str]:
        """Ids and sealed material for what the writer may decide to make. Raises Unavailable."""
        if row.prepare is None:
            return {}
        made = {"key": str(uuid4())}
        wanted = row.prepare(parameters)
        if wanted is None:
            return made
        spec = SPECS[wanted[0]]
        # Generating RSA takes up to seconds: in a thread, which the library lets run beside the event loop.
        new = generate(spec) if spec.symmetric else await asyncio.to_thread(generate, spec)
        await self._vault.put_material(made["key"], new.id, new.secret)
        return made | {"material": new.id, "fingerprint": new.fingerprint, "public_key": new.public_key}

    async def command(self, call: Call, made: dict[str, str]) -> Record:
        """Have the writer decide a call, and wait for its record. Raises WireError: refused, or not known in time.

        The command is appended once and never again: what became of a lost append shows when the client tries again,
        by its invocation id.
        """
        deadline = self._settings.command_deadline
        command = Command(call, made, time.time_ns() // 1000 + int(deadline * 1_000_000))
        with self._present.expecting(call.id) as answered:
            try:
                await self._commands.append(
                    encode(command),
                    cloudevents.headers(call.id, self._present.world.log, "command", rfc3339(command.not_after)),
                )
                async with asyncio.timeout(deadline + ANSWER_SLACK):
                    _, record = await answered
            except (Unavailable, TimeoutError):
                NOT_ANSWERED.labels("no-record").inc()
                raise errors.not_now("It is not known yet whether the call took effect; try again.") from None
        return await self._first_answer(record)

    async def _first_answer(self, record: Record) -> Record:
        """The record that answers: for a client's retry, that of the call it repeats. Raises WireError if refused."""
        if record.repeats is not None:
            try:
                record = await self._present.read_at(record.repeats.position)
            except Unavailable:
                raise errors.not_now("The first answer could not be read; try again.") from None
        assert record.decision is not None, "a record of a call has its decision"
        if record.decision.error is not None:
            raise errors.wire_error(refusal(record.decision.error["kind"], record.decision.error["message"]))
        return record


def encode_answer(answer: Answer) -> bytes:
    """JSON as the protocol has it: blobs in base64, times in seconds."""
    return orjson.dumps(answer, default=_blob)


def _blob(value: Any) -> str:
    if not isinstance(value, bytes):
        raise TypeError(type(value).__name__)
    return b64encode(value).decode()
