"""Whether a caller may make a request to the audit API. The evaluator that decides calls to KMS decides this too."""

from __future__ import annotations

from dataclasses import replace

from starlette.requests import Request

from domain.arn import audit_arn
from domain.authorization.context import RequestOrigin, request_context
from domain.authorization.evaluate import may
from domain.authorization.question import in_account
from domain.authorization.verdict import Verdict
from domain.errors import CredentialDisabled, CredentialExpired
from domain.state.callers import caller_of
from services.audit_api.call_records import CallRecords
from services.audit_api.key_references import KeyReferences
from services.audit_api.request import AuditRequest
from services.clock import Clock
from services.kms_api import errors, no_answer
from services.kms_api.app import MOST_AGENT, printable
from services.kms_api.live_state import LiveState, NotFresh
from services.settings import Settings

READ_STATUS = "keytrail:ReadStatus"


class RoutePermissions:
    def __init__(
        self, settings: Settings, live: LiveState, clock: Clock, records: CallRecords, keys: KeyReferences
    ) -> None:
        self._settings = settings
        self._live = live
        self._clock = clock
        self._keys = keys
        self.records = records

    def origin(self, http: Request) -> RequestOrigin:
        return RequestOrigin(
            http.client.host if http.client else "",
            printable(http.headers.get("user-agent", ""), MOST_AGENT),
            http.url.scheme == "https",
            self._clock.now(),
            self._live.world.region,
            self._settings.org_id,
        )

    async def authorized(self, request: AuditRequest, action: str) -> AuditRequest:
        """The request of a caller who has the permission: an account's root, or a principal whose identity policies
        allow it. If the question concerns one key, that key is the resource.

        A refusal is recorded. It needs a state that was fetched after the question arrived, since another worker may
        have put a policy that allows it a millisecond ago. Raises WireError.

        A worker that no longer hears of the log does not know either which credentials have ended since. So it answers
        whoever was let in no longer than it decides calls. It does say how it stands: somebody has to see what is wrong.

        """
        if (action == READ_STATUS or self._live.is_fresh()) and (await self._verdict(request, action)).allowed:
            return request
        try:
            await self._live.barrier()
            request = self._renewed(request)
        except NotFresh:
            raise errors.not_now(no_answer.NEWEST_STATE_UNKNOWN) from None
        except (CredentialDisabled, CredentialExpired) as fault:
            await self.records.refuse_credential(request, fault)
        verdict = await self._verdict(request, action)
        if not verdict.allowed:
            await self.records.refuse_access(request, action, verdict)
        return request

    async def still_may(self, request: AuditRequest) -> AuditRequest:
        """A long answer goes on only while its caller may ask for it. Returns the request with the present caller and
        time.

        Raises WireError, and records why: the credential has ended, or the permission is gone.

        """
        try:
            now = self._renewed(request)
        except (CredentialDisabled, CredentialExpired) as fault:
            await self.records.refuse_credential(request, fault)
        return await self.authorized(now, now.action) if now.action else now

    async def _verdict(self, request: AuditRequest, action: str) -> Verdict:
        """Raises WireError if the path names no key."""
        account = request.account
        resource = in_account(audit_arn(self._live.world.region, account), account)
        if "key" in request.http.path_params and not request.text("trail"):
            key = self._live.world.keys.get((await self._keys.of_path(request))[0])
            if key is not None and key.account == account:
                resource = in_account(key.arn, account, key.resource.context)
        return may(request.caller, action, resource)

    def _renewed(self, request: AuditRequest) -> AuditRequest:
        """The same question with the caller's present policies. Raises CredentialDisabled, CredentialExpired."""
        who = request.who
        caller = caller_of(self._live.world, who.access_key, who.session, self._clock.now(), who.via)
        return replace(request, caller=caller.asking(request_context(self.origin(request.http), "", {}), {}))
