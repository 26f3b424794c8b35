"""How a call is answered: on the present with a durable decision, or through the writer.

The order of every operation: signature, shape, resolution of the key, access, key usage, key state, the operation's own
rules. No record, no answer: whatever is answered to an authenticated caller has its record first.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from dataclasses import replace
from typing import Any
from uuid import uuid4

import orjson

from domain.arn import alias_arn
from domain.authorization.context import Came, Via, encryption_context, request_context
from domain.authorization.evaluate import may
from domain.authorization.verdict import OTHER_ACCOUNT, Verdict, refusal_of
from domain.commands.change_key import require_origin
from domain.commands.decide import allowed, may_ask, refused
from domain.commands.service_key import alias_for
from domain.crypto.specs import SYMMETRIC_DEFAULT
from domain.errors import (
    AccessRefused,
    AliasNotFound,
    AlreadyExists,
    DryRunSucceeded,
    InvalidKeyUsage,
    Refusal,
    UnsupportedOperation,
)
from domain.errors import (
    refusal as refusal_named,
)
from domain.identities.identity import PREFIXES, ROLE
from domain.keys.states import require_state
from domain.log.authenticity import COMMANDS
from domain.log.codec import rfc3339
from domain.log.command import Command, encode
from domain.log.record import Call, Record
from domain.ports import Topic, Unavailable
from domain.state.callers import caller_of
from services.adapters import cloudevents
from services.adapters.decisions import Decisions
from services.clock import Clock
from services.kms_api import errors, query, shapes
from services.kms_api.bounds import SMALL, parsed, require_bounded
from services.kms_api.errors import WireError
from services.kms_api.incoming import Incoming, call_of
from services.kms_api.live_state import LiveState, NotFresh
from services.kms_api.maker import VaultMaker
from services.kms_api.rate_limit import RateLimit
from services.kms_api.records import Records
from services.kms_api.stages import next_stage
from services.metrics import NOT_ANSWERED
from services.operations.keys import SERVICE_KEY
from services.operations.rows import (
    UNMADE,
    Answer,
    Changing,
    Issuing,
    Made,
    Materials,
    OperationRow,
    Reading,
    Recall,
    Recalling,
    RecordedChange,
    Request,
    Researching,
    Unmade,
    Using,
)
from services.operations.table import SERVICES
from services.settings import Settings

USES_KEYS = (Using, Recalling)
"""A tuple: a union of types is made anew, and looked through slowly, at each question."""
MOST_COMMAND = 393_216
"""Bytes of a command. Its record says everything twice, as parameters and as event, and has to fit the log."""
ANSWER_SLACK = 2.0
"""Seconds beyond a command's deadline for which its record is still waited for."""
WITHOUT_MFA = frozenset({"AssumeRole", "GetCallerIdentity"})
"""Of STS, what credentials of GetSessionToken may call; of IAM they may nothing (API reference, GetSessionToken)."""


class Calls:
    """The service behind the door. Raises WireError for everything that is not an answer."""

    def __init__(
        self,
        settings: Settings,
        present: LiveState,
        commands: Topic,
        decisions: Decisions,
        making: VaultMaker,
        materials: Materials,
        recall: Recall,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._settings = settings
        self._present = present
        self._commands = commands
        self.records = Records(present, decisions, clock)
        self._making = making
        self._materials = materials
        self._recall = recall
        self._limit = RateLimit(settings.change_rate, settings.change_burst)

    async def answer(self, incoming: Incoming) -> Answer:
        """Raises WireError; anything else is a fault of ours, and the call has its record all the same."""
        call = request = None
        try:
            try:
                row, parameters, secret = self._checked(incoming)
                if isinstance(row, Changing):
                    self._limit.take(incoming.who.principal)
            except Refusal as fault:
                await self.records.refusal(call_of(incoming, {}), fault)
                raise errors.on_record(fault) from None
            call = call_of(incoming, shapes.logged(parameters, secret))
            request = self._request(incoming, parameters)
            try:
                if "GrantTokens" in parameters:
                    await self._bridge(parameters["GrantTokens"])
                    self._renew_caller(request, call)
                if isinstance(row, Changing):
                    return await self._change(row, request, call)
            except Refusal as fault:
                await self.records.refusal(call, fault)
                raise errors.on_record(fault) from None
            return await self._answer(row, request, call)
        except WireError:
            raise
        except Exception:
            if request is None or not request.recorded:
                await self.records.failure(call or call_of(incoming, {}))
            raise

    def _checked(self, incoming: Incoming) -> tuple[OperationRow, dict[str, Any], shapes.Secrets]:
        """The operation's row and its parameters, right by the model's shape. Raises refusals of the door."""
        if incoming.who.refusal is not None:
            raise incoming.who.refusal
        if incoming.unreadable is not None:
            raise incoming.unreadable
        service, operation = incoming.service, incoming.operation
        if incoming.fields is not None:
            query.require_operation(service, operation, incoming.fields.get("Version", ""))
        if operation not in shapes.operation_names(service):
            raise errors.UnknownOperation(f"There is no operation {operation[:64]!r}.")
        compiled = shapes.compiled(service, operation)
        try:
            if incoming.fields is not None:
                document = query.parameters(shapes.service_model(service).operation_model(operation), incoming.fields)
            else:
                document = parsed(incoming.body or b"{}")
            parameters = compiled.check(document)
            if len(incoming.body) > SMALL:
                require_bounded(parameters)
        except shapes.Invalid as fault:
            raise errors.InvalidShape(str(fault)) from None
        except (shapes.WrongType, orjson.JSONDecodeError) as fault:
            raise errors.WrongType("" if isinstance(fault, orjson.JSONDecodeError) else str(fault)) from None
        row = SERVICES[service].get(operation)
        if row is None:
            raise UnsupportedOperation(f"{operation} is not supported by this version of Keytrail.")
        self._require_strong(incoming)
        return row, parameters, compiled.secret

    def _require_strong(self, incoming: Incoming) -> None:
        """Raises AccessRefused for what credentials of GetSessionToken may not call."""
        session = incoming.who.session
        if session is None or incoming.service == "kms" or session.of.startswith(PREFIXES[ROLE]):
            return
        if incoming.service == "iam" or incoming.operation not in WITHOUT_MFA:
            raise AccessRefused(
                f"{incoming.operation} cannot be called with credentials of GetSessionToken without MFA."
            )

    def _request(self, incoming: Incoming, parameters: dict[str, Any]) -> Request:
        who, operation = incoming.who, incoming.operation
        assert who.caller is not None, "a refused credential was refused before"
        region, org = self._present.world.region, self._settings.org_id
        came = Came(incoming.source, incoming.agent, incoming.secure, incoming.at, region, org, who.via)
        context = request_context(came, operation, parameters)
        caller = who.caller.asking(context, encryption_context(operation, parameters))
        return Request(operation, parameters, caller, incoming.at, who.session)

    async def _bridge(self, tokens: list[str]) -> None:
        """A grant token names the position of its grant: this worker folds up to it before it decides (rule 24).

        Raises InvalidGrantToken, WireError.
        """
        if max(map(self._making.position_of, tokens), default=-1) > self._present.position:
            try:
                await self._present.barrier()
            except NotFresh:
                raise self._not_fresh() from None

    def _not_fresh(self) -> errors.WireError:
        NOT_ANSWERED.labels("not-fresh").inc()
        return errors.not_now("The log's newest state is not known to this server now; try again.")

    # -- calls that change nothing ------------------------------------------------------------------------------

    async def _answer(
        self, row: Using | Recalling | Reading | Researching | Issuing, request: Request, call: Call
    ) -> Answer:
        verdicts: list[Verdict] = []
        try:
            self._present.require_fresh()
            seen = self._present.position
            try:
                answer = await self._attempt(row, request, verdicts)
            except Refusal as first:
                if isinstance(first, DryRunSucceeded):
                    raise
                if isinstance(first, AliasNotFound):
                    await self._see_to_service_key(call, request)
                # A refusal is given only on a present fetched after the call arrived.
                await self._present.barrier()
                verdicts.clear()
                request.used = ()
                seen = self._present.position
                self._renew_caller(request, call)
                answer = await self._attempt(row, request, verdicts)
        except Refusal as fault:
            await self.records.make_durable(call, refused(fault, request.caller, verdicts), seen, request.at)
            raise errors.on_record(fault) from None
        except NotFresh:
            raise self._not_fresh() from None
        except Unavailable as fault:
            NOT_ANSWERED.labels("vault").inc()
            raise errors.not_now(str(fault)) from None
        await next_stage()
        done = allowed(request.caller, verdicts, materials=request.used)
        await self.records.make_durable(call, done, seen, request.at)
        return answer

    def _renew_caller(self, request: Request, call: Call) -> None:
        """The caller as the present has it now: its policies may have changed since it was authenticated.

        Raises CredentialDisabled, CredentialExpired.
        """
        via = None if call.via is None else Via(**call.via)
        caller = caller_of(self._present.world, call.access_key, request.session, request.at, via)
        request.caller = caller.asking(request.caller.request, request.caller.encryption_context)

    async def _see_to_service_key(self, call: Call, request: Request) -> None:
        """Have the key made that a service manages for an account, where this call is the first to need it.

        Raises Unavailable, WireError.
        """
        via = call.via
        if via is None or not via["behalf"]:
            return
        service = self._present.world.services[call.access_key]
        name = alias_for(service)
        if request.get("KeyId") not in (name, alias_arn(self._present.world.region, call.account, name)):
            return
        own = {**via, "behalf": "", "source_arn": "", "source_account": ""}
        parameters = {"AccountId": call.account}
        making = replace(
            call,
            id=str(uuid4()),
            principal=service.name,
            account=service.account,
            operation=SERVICE_KEY,
            parameters=parameters,
            invocation="",
            via=own,
        )
        try:
            await self.command(making, dict(await self._making.material(SYMMETRIC_DEFAULT, call.account)))
        except errors.WireError as fault:
            if fault.kind != AlreadyExists.kind:  # another call was first
                raise

    async def _attempt(
        self, row: Using | Recalling | Reading | Researching | Issuing, request: Request, verdicts: list[Verdict]
    ) -> Answer:
        """One try on the present as it is. Raises Refusal, Unavailable; `verdicts` has what was asked until then."""
        world = self._present.world
        if isinstance(row, USES_KEYS):
            return await self._use(row, request, verdicts)
        for verdict in row.asks(request, world):
            verdicts.append(verdict)
            if not verdict.allowed:
                raise refusal_of(request.caller, verdict)
        if isinstance(row, Issuing):
            return row.run(request, world, self._making)
        if isinstance(row, Researching):
            return await row.run(request, world, self._recall)
        return row.run(request, world)

    async def _use(self, row: Using | Recalling, request: Request, verdicts: list[Verdict]) -> Answer:
        world, caller = self._present.world, request.caller
        targets = row.targets(request, world)
        for target in targets:
            key = target.key
            if key.account != caller.account and not row.cross_account:
                verdict = Verdict(False, target.action, key.arn, OTHER_ACCOUNT)
            else:
                resource = world.resource(key)
                verdict = may(caller, target.action, resource, target.asked, target.encryption_context)
            verdicts.append(verdict)
            if not verdict.allowed:
                raise refusal_of(caller, verdict, target.named)
        for target in targets:
            if target.usage is not None and target.key.usage != target.usage:
                raise InvalidKeyUsage(
                    f"{target.key.arn} key usage is {target.key.usage} which is not valid for {request.operation}."
                )
        for target in targets:
            if isinstance(row, Using) and row.origin:
                require_origin(target.key, row.origin)
            require_state(request.operation, target.key.arn, target.key.state)
        keys = [target.key for target in targets]
        if isinstance(row, Recalling):
            return await row.run(request, world, keys, self._recall)
        return await row.run(request, world, keys, self._materials)

    # -- calls that change something ----------------------------------------------------------------------------

    async def _change(self, row: Changing, request: Request, call: Call) -> Answer:
        """Raises WireError; Refusal where nothing was sent to the writer."""
        try:
            made = await self._made(row, request, call)
            position, record = await self.command(call, dict(made))
            request.recorded = True
            changed = RecordedChange(record.event, self._present.world, record.at, position)
            return row.answer(changed) | await row.issue(changed, self._making)
        except Unavailable as fault:
            NOT_ANSWERED.labels("vault").inc()
            raise errors.not_now(str(fault)) from None

    async def _made(self, row: Changing, request: Request, call: Call) -> Made:
        """What the command needs; nothing is made for a caller who may not. Raises Refusal, Unavailable, WireError."""
        if row.costly and not self._may(row, request, call):
            try:
                await self._present.barrier()
            except NotFresh:
                raise self._not_fresh() from None
            self._renew_caller(request, call)
            if not self._may(row, request, call):
                return UNMADE
        return await row.prepare(request, self._making)

    def _may(self, row: Changing, request: Request, call: Call) -> bool:
        """On the present, before anything is made; the writer asks again."""
        return may_ask(row.command(call.parameters, Unmade()), request.caller, self._present.world)

    async def command(self, call: Call, made: dict[str, str]) -> tuple[int, Record]:
        """Have the writer decide a call, and wait for its position and record. Raises WireError: refused, or not known in time.

        The command is appended once and never again: what became of a lost append shows when the client tries again,
        by its invocation id.
        """
        deadline = self._settings.command_deadline
        command = Command(call, made, self._clock.now() + int(deadline * 1_000_000))
        value = encode(command)
        if len(value) > MOST_COMMAND:
            fault = errors.RequestTooLarge(f"What the writer is told of a request has at most {MOST_COMMAND} bytes.")
            await self.records.refusal(replace(call, parameters={}), fault)
            raise errors.wire_error(fault)
        with self._present.expecting(call.id) as answered:
            try:
                await self._commands.append(
                    self._present.sealed(COMMANDS, value),
                    cloudevents.headers(call.id, self._present.world.log, "command", rfc3339(command.not_after)),
                )
                async with asyncio.timeout(deadline + ANSWER_SLACK):
                    position, record = await answered
            except (Unavailable, TimeoutError):
                NOT_ANSWERED.labels("no-record").inc()
                raise errors.not_now("It is not known yet whether the call took effect; try again.") from None
        return await self._first_answer(position, record)

    async def _first_answer(self, position: int, record: Record) -> tuple[int, Record]:
        """The record that answers: for a client's retry, that of the call it repeats. Raises WireError if refused."""
        if record.repeats is not None:
            position = record.repeats.position
            try:
                record = await self._present.read_at(position)
            except Unavailable:
                raise errors.not_now("The first answer could not be read; try again.") from None
        assert record.decision is not None, "a record of a call has its decision"
        if record.decision.error is not None:
            raise errors.on_record(refusal_named(record.decision.error["kind"], record.decision.error["message"]))
        return position, record


def encode_answer(answer: Answer) -> bytes:
    """JSON as the protocol has it: blobs in base64, times in seconds."""
    return orjson.dumps(answer, default=_blob)


def _blob(value: Any) -> str:
    if not isinstance(value, bytes):
        raise TypeError(type(value).__name__)
    return b64encode(value).decode()
