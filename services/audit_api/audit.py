"""The audit API under /v1: what the projections answer, as JSON, signed like everything else.

Lists come as {"items": [...], "next": cursor}; `next` is null at the end. A caller is an account's root, and sees what
concerns its own account.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, NoReturn
from uuid import uuid4

import asyncpg
import orjson
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from domain.arn import audit_arn, is_elsewhere
from domain.authorization.audience import Audience, Told, account_in
from domain.authorization.caller import Caller
from domain.authorization.context import Came, request_context
from domain.authorization.evaluate import may
from domain.authorization.question import in_account
from domain.authorization.verdict import Verdict, refusal_of
from domain.errors import AccessRefused, CredentialDisabled, CredentialExpired, KeyNotFound, Refusal
from domain.log.record import Call
from domain.ports import Unavailable
from domain.state.callers import caller_of
from projections.decisions import queries as decisions
from projections.history import queries as history
from projections.keys import queries as keys
from projections.log.schema import AskedLog
from projections.policy_versions import queries as policy_versions
from services import signing
from services.adapters.postgres import INTERRUPTED, Pool
from services.alert_worker.topic import Publisher
from services.audit_api.alerting import Alerting
from services.audit_api.answers import Answered, answered, of_fault
from services.audit_api.asked import Asked
from services.audit_api.counted import Counted
from services.audit_api.declared import require_body, require_query
from services.audit_api.description import described
from services.audit_api.explaining import bad
from services.audit_api.no_route import closed, words
from services.audit_api.no_route import not_found as not_found_here
from services.audit_api.openapi import ROUTES
from services.audit_api.questions import Questions
from services.audit_api.references import aliases_of, not_found
from services.audit_api.repeated import Repeated
from services.audit_api.reviewing import Reviewing
from services.audit_api.route import RouteRow
from services.audit_api.status import Standing
from services.clock import Clock
from services.kms_api import errors
from services.kms_api.app import MOST_AGENT, Disconnected, printable, read_body, where
from services.kms_api.authentication import Authenticator
from services.kms_api.bounds import parsed
from services.kms_api.calls import Calls
from services.kms_api.errors import WireError
from services.kms_api.live_state import LiveState, NotFresh
from services.kms_api.maker import VaultMaker
from services.metrics import UNAUTHENTICATED
from services.questions.moments import read_time
from services.questions.source import Source
from services.rendering import item, page
from services.settings import Settings

log = structlog.get_logger("audit")

SIGNED_FOR = frozenset({"keytrail", "kms"})

NOBODY = Caller("", "", {}, "")
"""Stands for the caller of a credential that may not be used any more."""


class Audit:
    """The routes' functions; `ROUTES` in openapi.py names them."""

    def __init__(
        self,
        settings: Settings,
        present: LiveState,
        authenticator: Authenticator,
        calls: Calls,
        making: VaultMaker,
        pool: Pool,
        clock: Clock,
        publisher: Publisher,
    ) -> None:
        self._clock = clock
        self._settings = settings
        self._present = present
        self._authenticator = authenticator
        self._calls = calls
        self._making = making
        self._pool = pool
        self.stopping: Callable[[], bool] = lambda: False
        """Whether this worker is to end: streams end themselves."""
        self.questions = Questions(self, settings, present, pool)
        self._alerting = Alerting(self, self.questions, settings, present, pool, publisher)

    def app(self) -> Starlette:
        questions, counted = self.questions, Counted(self, self.questions, self._present, self._pool)
        alerting = self._alerting
        standing = Standing(self, alerting, self._settings, self._present, self._pool)
        reviewing = Reviewing(self, questions, self._settings, self._present, self._pool)
        # A route's function is a method of one of these; a name that none has fails here, at the start.
        repeated = Repeated(self, questions, self._settings, self._present)
        parts = (self, questions, counted, alerting, standing, reviewing, repeated)
        functions = {name: getattr(each, name) for each in parts for name in dir(each)}
        routes = [
            Route(
                route.path,
                self._signed(functions[route.function], route) if route.signed else described,
                methods=[route.method],
            )
            for route in ROUTES
        ]
        routes = sorted([*routes, *closed(ROUTES)], key=lambda route: words(route.path), reverse=True)
        app = Starlette(routes=routes, exception_handlers={HTTPException: not_found_here})
        app.router.redirect_slashes = False  # the place would be told by the Host header, which may name any
        return app

    def _signed(
        self, function: Callable[[Asked], Awaitable[Answered]], route: RouteRow
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            call, asked = str(uuid4()), None
            try:
                asked = await self._authenticated(request, route, call)
                asked.require_no_nul()
                require_query(route, request.query_params.multi_items())
                require_body(route, asked.body)
                asked = await self._authorized(asked)
                return await answered(await function(asked), asked, self)
            except AccessRefused as fault:
                refused = WireError(403, "AccessDeniedException", fault.message)
                return of_fault(await self.on_record(asked, refused), call)
            except WireError as fault:
                return of_fault(await self.on_record(asked, fault), call)
            except Disconnected:
                return Response(status_code=400)
            except asyncpg.DataError:  # before those below, of which it is one: the database is there
                return of_fault(await self.on_record(asked, bad("a value is beyond what there can be")), call)
            except INTERRUPTED as fault:
                log.error("the projections cannot be asked", call=call, fault=type(fault).__name__)
                return of_fault(errors.not_now("The projections cannot be asked now; try again."), call)
            except Exception as fault:  # noqa: BLE001  # the last line, as in app.py
                log.error("audit call failed", call=call, fault=type(fault).__name__, where=where(fault))
                return of_fault(await self.failure(asked), call)

        return answer

    async def on_record(self, asked: Asked | None, fault: WireError) -> WireError:
        """What the caller of a question that is refused reads, once the refusal is durable. What is not known yet (the
        answer says: try again) was not decided, and has no record."""
        if asked is None or asked.record.done or fault.recorded or fault.status >= 500:
            return fault
        call = self._call(asked, asked.parameters)
        try:
            await self._calls.records.refusal(call, errors.QuestionRefused(fault.message))
        except WireError as other:
            return other
        return fault

    async def failure(self, asked: Asked | None) -> WireError:
        """What the caller reads of a fault of ours, once it is on record."""
        try:
            if asked is not None and not asked.record.done:
                await self._calls.records.failure(self._call(asked, {}))
        except WireError as other:
            return other
        return WireError(500, "KMSInternalException", errors.QUESTION_FAILED)

    async def _authenticated(self, request: Request, route: RouteRow, call: str) -> Asked:
        """Raises WireError, Disconnected."""
        scope = request.scope
        body = await read_body(request.receive)
        signed = signing.Signed(
            scope["method"],
            scope["raw_path"].decode("latin-1"),
            scope["query_string"].decode("latin-1"),
            signing.joined(scope["headers"]),
            body,
        )
        try:
            who = await self._authenticator.authenticate(signed, SIGNED_FOR)
        except signing.SignatureRefused as fault:
            UNAUTHENTICATED.labels(fault.kind).inc()
            raise WireError(403, errors.from_signature(fault).code, fault.message) from None
        except (NotFresh, Unavailable):
            raise errors.not_now("The caller could not be authenticated now; try again.") from None
        if who.caller is None:
            assert who.refusal is not None, "a credential without a caller was refused"
            await self._refuse(Asked(request, NOBODY, who, body, route, call), who.refusal)
        request.state.recognise()  # the protocol's own: this connection is not a stranger's
        caller = who.caller.asking(request_context(self.came(request), "", {}), {})
        return Asked(request, caller, who, body, route, call)

    def came(self, request: Request) -> Came:
        source, agent = request.client.host if request.client else "", _agent(request)
        at, region = self._clock.now(), self._present.world.region
        return Came(source, agent, request.url.scheme == "https", at, region, self._settings.org_id)

    async def _authorized(self, asked: Asked) -> Asked:
        """The account root may; others as their identity policies say, on the key where the question is of one.

        A refusal is on record, and given on a present fetched after the question arrived: the policy that allows it may
        have been put through another worker a millisecond ago. Raises WireError.
        """
        action = asked.route.action
        if not action or (await self._verdict(asked, action)).allowed:
            return asked
        try:
            await self._present.barrier()
            asked = self._renewed(asked)
        except NotFresh:
            raise errors.not_now("The log's newest state is not known to this server now; try again.") from None
        except (CredentialDisabled, CredentialExpired) as fault:
            await self._refuse(asked, fault)
        verdict = await self._verdict(asked, action)
        if not verdict.allowed:
            refusal = refusal_of(asked.caller, verdict)
            await self._calls.records.of_access(self._call(asked, asked.parameters), refusal, asked.caller, verdict)
            asked.record.done = True
            raise WireError(403, "AccessDeniedException", refusal.message, recorded=True)
        return asked

    async def require(self, asked: Asked, action: str) -> None:
        """One more permission, beside the route's own, with the same record of its refusal. Raises WireError."""
        await self._authorized(replace(asked, route=replace(asked.route, action=action)))

    async def still_may(self, asked: Asked) -> Asked:
        """A long answer goes on only for whoever could ask for it now: the question as its caller and the time are by now.

        Raises WireError, with a record: the credential has ended, or the permission is gone.
        """
        try:
            now = self._renewed(asked)
        except (CredentialDisabled, CredentialExpired) as fault:
            await self._refuse(asked, fault)
        return await self._authorized(now)

    async def _verdict(self, asked: Asked, action: str) -> Verdict:
        """Raises WireError where the key that the path names is none."""
        account = asked.caller.account
        resource = in_account(audit_arn(self._present.world.region, account), account)
        if "key" in asked.request.path_params and not asked.text("trail"):
            key = self._present.world.keys.get((await self._key_id(asked))[0])
            if key is not None and key.account == account:
                resource = in_account(key.arn, account, key.resource.context)
        return may(asked.caller, action, resource)

    def _renewed(self, asked: Asked) -> Asked:
        """The same question by the caller as the present has it now. Raises CredentialDisabled, CredentialExpired."""
        who, world = asked.who, self._present.world
        caller = caller_of(world, who.access_key, who.session, self._clock.now(), who.via)
        return replace(asked, caller=caller.asking(request_context(self.came(asked.request), "", {}), {}))

    async def _refuse(self, asked: Asked, fault: CredentialDisabled | CredentialExpired) -> NoReturn:
        """What a credential that may not be used is told, with its record. Raises WireError."""
        call = self._call(asked, {}, f"{asked.route.method} {asked.route.path}")
        await self._calls.records.refusal(call, fault)
        asked.record.done = True
        raise WireError(403, errors.wire_error(fault).code, fault.message, recorded=True)

    def _call(self, asked: Asked, parameters: dict[str, Any], operation: str = "") -> Call:
        """The call as a record holds it, named by the route's action, or by the route where it asks for none. The path
        itself is a caller's word: it stands among the parameters, where nobody takes it for the name of an operation."""
        request, who, route = asked.request, asked.who, asked.route
        return Call(
            id=asked.id,
            access_key=who.access_key,
            principal=who.principal,
            account=who.account,
            source=request.client.host if request.client else "",
            agent=_agent(request),
            operation=operation or route.action or f"{route.method} {route.path}",
            parameters=parameters,
            session=who.document,
            secure=request.url.scheme == "https",
        )

    async def change(self, asked: Asked, operation: str, parameters: dict[str, Any], made: dict[str, str]) -> int:
        """Have the writer decide a change; the position of its record. Raises WireError."""
        position = (await self._calls.writer.decide(self._call(asked, parameters, operation), made))[0]
        asked.record.done = True
        return position

    def now(self) -> int:
        """Microseconds since the epoch."""
        return self._clock.now()

    # -- what the routes answer -----------------------------------------------------------------------------------

    async def list_keys(self, asked: Asked) -> Told:
        cursor, limit = asked.cursor(str), asked.limit()
        rows = await keys.page(AskedLog(self._pool), asked.caller.account, cursor[0] if cursor else "", limit)
        items = [self.named(item(row, ("tags",)), asked.audience) for row in rows]
        found = page(items, limit, [rows[-1]["key_id"]] if rows else None)
        return asked.audience.own(asked.caller.account, found)

    def named(self, row: dict[str, Any], audience: Audience) -> dict[str, Any]:
        """A row that names a key by its id, with the key's aliases."""
        return row | {"key_aliases": aliases_of(self._present.world, row.get("key_id"), audience.account)}

    async def _key_id(self, asked: Asked) -> tuple[str, str]:
        """(id, account) of the key that the path names by id, ARN or alias; it may be deleted. Raises WireError."""
        text, account = asked.request.path_params["key"], asked.caller.account
        references = self.questions.references
        try:
            return self._present.world.once(references.key(text, account), account)
        except Refusal as first:
            try:
                await self._present.barrier()
                return self._present.world.once(references.key(text, account), account)
            except NotFresh:
                raise errors.not_now("The log's newest state is not known to this server now; try again.") from None
            except Refusal:
                raise not_found(first, references.near_keys(text, account)) from None

    async def own_key_id(self, asked: Asked) -> str:
        """Raises WireError, AccessRefused."""
        key_id, account = await self._key_id(asked)
        asked.audience.require(account)
        return key_id

    async def show_key(self, asked: Asked) -> Told:
        key_id = await self.own_key_id(asked)
        row = await keys.one(AskedLog(self._pool), asked.caller.account, key_id)
        if row is None:
            raise errors.not_now("The key was made a moment ago and is not in the projection yet; try again.")
        return asked.audience.own(asked.caller.account, self.named(item(row, ("tags",)), asked.audience))

    async def policies(self, asked: Asked) -> Told:
        key_id, cursor, limit = await self.own_key_id(asked), asked.cursor(int), asked.limit()
        rows = await policy_versions.page(AskedLog(self._pool), key_id, cursor[0] if cursor else 0, limit)
        found = page([item(row) for row in rows], limit, [rows[-1]["version"]] if rows else None)
        return asked.audience.own(asked.caller.account, found)

    async def bare_key(self, asked: Asked, text: str) -> str:
        """The id of a key, of one that is no more too; of another account's the last part of its ARN, which may be an alias.
        Raises WireError where no call names a key so, or can: of another Region, or our own key under another account."""
        account = asked.caller.account
        reference = self.questions.references.key(text, account)
        bare, region = reference.rpartition("/")[2], self._present.world.region
        if is_elsewhere(reference, region):
            raise not_found(
                KeyNotFound(f"{text} is in another Region or partition: this installation has keys of {region} alone"),
                "",
            )
        if not asked.audience.owns(account_in(reference) or account):
            if bare in self._present.world.keys and asked.audience.owns(self._present.world.keys[bare].account):
                raise not_found(
                    KeyNotFound(f"{text} names one of your keys under another account"), f" Ask for {bare}."
                )
            await self.questions.references.called_key(await self.questions.sources.of(asked), bare, text)
            return bare
        try:
            return self._present.world.once(reference, account)[0]
        except Refusal:
            await self.questions.references.known_key(await self.questions.sources.of(asked), bare, text)
            return bare  # a key that is no more has its decisions still

    async def moment(self, asked: Asked, name: str) -> datetime | None:
        """A time (RFC 3339) or a position (@1234) as a time. Raises WireError."""
        text = asked.text(name)
        return None if text is None else await self.moment_in(self._pool, text, name)

    async def moment_in(self, pool: Any, text: str, name: str) -> datetime:
        """Raises WireError; `name` is what the text was called."""
        if text.startswith("@") and text[1:].isascii() and text[1:].isdigit() and len(text) < 19:
            found = await decisions.moment_of(pool, int(text[1:]))
            if found is None:
                raise bad(f"there is no record at position {text}")
            return found
        try:
            return read_time(text)
        except ValueError:
            raise bad(f"{name} is a time in RFC 3339 or a position such as @1234") from None

    async def with_aliases(self, source: Source, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Rows that name keys by their ids, with the aliases that these have now; in a trail at its end."""
        if not source.is_trail:
            return [self.named(row, source.audience) for row in rows]
        ids = sorted({row["key_id"] for row in rows if row["key_id"]})
        found = await history.aliases_of(source.pool, source.end, ids) if ids else {}
        return [row | {"key_aliases": found.get(row["key_id"], [])} for row in rows]

    async def create_account(self, asked: Asked) -> Told:
        try:
            account = parsed(asked.body)["account_id"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise bad('the body is {"account_id": "444455556666"}') from None
        if not isinstance(account, str) or len(account) > 64:
            raise bad("account_id is a string of twelve digits")
        try:
            made = await self._making.access_key()
            await self.change(
                asked, "CreateAccount", {"AccountId": account}, {**made, "host": self._settings.account_id}
            )
            secret = await self._making.secret(made["access_key"])
        except Unavailable as fault:
            raise errors.not_now(str(fault)) from None
        answer = {"account_id": account, "access_key_id": made["access_key"], "secret_access_key": secret}
        return asked.audience.own(asked.caller.account, answer)

    def hosts(self, asked: Asked) -> bool:
        return asked.caller.account == self._settings.account_id


def _agent(request: Request) -> str:
    return printable(request.headers.get("user-agent", ""), MOST_AGENT)
