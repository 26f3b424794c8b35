"""Records of requests to the audit API: refusals, internal errors, sign-ins, and changes that the writer decides."""

from __future__ import annotations

from typing import Any, NoReturn

from domain.authorization.verdict import NO_PERMISSION_NEEDED, Verdict, refusal_of
from domain.errors import CredentialDisabled, CredentialExpired, Refusal
from domain.log.record import Call
from services.audit_api.request import AuditRequest
from services.kms_api import errors
from services.kms_api.app import MOST_AGENT, printable
from services.kms_api.calls import Calls
from services.kms_api.errors import Throttled, WireError
from services.operations.rows import Preparation


class CallRecords:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def on_record(self, request: AuditRequest | None, fault: WireError) -> WireError:
        """The error for the caller of a refused question, after the refusal is durable. A fault that says "try again"
        decided nothing, so it has no record."""
        if request is None or request.record.done or fault.recorded or fault.status >= 500:
            return fault
        call = call_of(request, request.parameters)
        try:
            await self._calls.records.refusal(call, errors.QuestionRefused(fault.message))
        except WireError as other:
            return other
        return fault

    async def failure(self, request: AuditRequest | None) -> WireError:
        """The error for the caller after an internal error, once that is recorded."""
        try:
            if request is not None and not request.record.done:
                await self._calls.records.failure(call_of(request, {}))
        except WireError as other:
            return other
        return WireError(500, "KMSInternalException", errors.QUESTION_FAILED)

    async def refuse_credential(self, request: AuditRequest, fault: CredentialDisabled | CredentialExpired) -> NoReturn:
        """Refuses a credential that may no longer be used. Raises WireError."""
        await self._calls.records.refusal(call_of(request, {}, request.name), fault)
        request.record.done = True
        raise WireError(403, errors.wire_error(fault).code, fault.message, recorded=True)

    async def refuse_access(self, request: AuditRequest, action: str, verdict: Verdict) -> NoReturn:
        """Refuses a request that the caller's policies do not allow. Raises WireError."""
        refusal = refusal_of(request.caller, verdict)
        call = call_of(request, request.parameters, action)
        await self._calls.records.of_access(call, refusal, request.caller, verdict)
        request.record.done = True
        raise WireError(403, "AccessDeniedException", refusal.message, recorded=True)

    async def carried_out(
        self, request: AuditRequest, operation: str, parameters: dict[str, Any], verdict: Verdict | None = None
    ) -> None:
        """Records a call before its answer is given. Without a verdict it needed no permission. Raises WireError."""
        if verdict is None:
            verdict = Verdict(True, f"keytrail:{operation}", request.caller.principal, NO_PERMISSION_NEEDED)
        await self._calls.records.carried_out(call_of(request, parameters, operation), request.caller, verdict)
        request.record.done = True

    async def refuse(self, request: AuditRequest, operation: str, fault: Refusal) -> NoReturn:
        """Refuses a call by an operation's own rule. Raises WireError."""
        await self._calls.records.refusal(call_of(request, {}, operation), fault)
        request.record.done = True
        raise WireError(403, errors.wire_error(fault).code, fault.message, recorded=True)

    async def require_rate(self, request: AuditRequest, operation: str) -> None:
        """Refuses a caller who makes too many changes, before anything is made for this one. Signing in and out has no such
        limit: a thief who makes changes without end would keep the user from ending the session. Raises WireError."""
        try:
            self._calls.changes.take(request.who.principal)
        except Throttled as fault:
            await self._calls.records.refusal(call_of(request, {}, operation), fault)
            request.record.done = True
            raise errors.on_record(fault) from None

    async def change(self, request: AuditRequest, operation: str, parameters: dict[str, Any], made: Preparation) -> int:
        """Has the writer decide a change; returns the position of its record. Raises WireError."""
        position = (await self._calls.writer.decide(call_of(request, parameters, operation), made))[0]
        request.record.done = True
        return position


def call_of(request: AuditRequest, parameters: dict[str, Any], operation: str = "") -> Call:
    """The call in the form of a record. Its name is the route's action, or the route's name if it needs no permission.
    The path is the caller's text, so it is among the parameters, where nobody takes it for the name of an operation."""
    http, who = request.http, request.who
    return Call(
        id=request.id,
        access_key=who.access_key,
        principal=who.principal,
        account=who.account,
        source=http.client.host if http.client else "",
        agent=printable(http.headers.get("user-agent", ""), MOST_AGENT),
        operation=operation or request.action or request.name,
        parameters=parameters,
        session=who.document,
        secure=http.url.scheme == "https",
    )
