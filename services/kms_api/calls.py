"""Takes a call from the authenticated request to its answer. Every operation is checked in this order:

 1. signature            `authentication.py`, before this file
 2. shape                `request_check.py`, which also refuses operations that a credential or session may never call
 3. rate of changes      `rate_limit.py`; then a code of an MFA device, `mfa_proof.py`
    from here on, the writer or this worker decides
 4. resolution of the key
 5. access               a changing call: the writer, with `domain/commands/decide.py`
 6. key usage            any other call: this worker, with `live_decision.py`, on its live state
 7. key state
 8. the operation's own rules
 9. record               `events` by the writer, `decisions` by `records.py`. No record, no answer
10. answer
"""

from __future__ import annotations

from domain.commands.decide import may_ask
from domain.errors import AliasNotFound, Refusal
from domain.log.record import Call
from domain.ports import Topic, Unavailable
from services.adapters.decisions import DecisionLanes
from services.clock import Clock
from services.kms_api import errors, live_decision, mfa_proof, no_answer, service_keys
from services.kms_api.errors import WireError
from services.kms_api.incoming_request import Incoming, call_of, renewed, request_of
from services.kms_api.live_decision import LiveDecision, OperationPorts, Unchanging
from services.kms_api.live_state import LiveState, NotFresh
from services.kms_api.maker import VaultMaker
from services.kms_api.mfa_codes import MfaCodes
from services.kms_api.rate_limit import RateLimit
from services.kms_api.records import Records
from services.kms_api.request_check import check_request
from services.kms_api.stages import next_stage
from services.kms_api.writer_client import WriterClient
from services.operations.rows import (
    NOT_PREPARED,
    Answer,
    Changing,
    Materials,
    NotYetPrepared,
    Preparation,
    Recall,
    RecordedChange,
    Request,
)
from services.settings import Settings


class Calls:
    """Answers every authenticated call. Raises WireError where the response is an error."""

    def __init__(
        self,
        settings: Settings,
        live: LiveState,
        commands: Topic,
        decisions: DecisionLanes,
        maker: VaultMaker,
        materials: Materials,
        recall: Recall,
        clock: Clock,
        mfa: MfaCodes,
    ) -> None:
        self._org = settings.org_id
        self._live = live
        self._maker = maker
        self._mfa = mfa
        self._ports = OperationPorts(materials, recall, issuer=maker)
        self.changes = RateLimit(settings.change_rate, settings.change_burst)
        self.records = Records(live, decisions, clock)
        self.writer = WriterClient(live, commands, self.records, clock, settings.command_deadline)

    async def answer(self, incoming: Incoming) -> Answer:
        """Raises WireError. Any other exception is a fault in Keytrail; the call is recorded even then."""
        call: Call | None = None
        try:
            # 1 and 2: may the credential be used, and does the request have its operation's shape?
            row, parameters, logged = check_request(incoming)
            # 3: has this principal made too many changes?
            if isinstance(row, Changing):
                self.changes.take(incoming.who.principal)
            call = call_of(incoming, logged)
            request = request_of(incoming, parameters, self._live.world.region, self._org)
            if "GrantTokens" in parameters:
                request = await self._with_grants_of(parameters["GrantTokens"], request, call)
            if mfa_proof.comes_with_code(request):
                request = await mfa_proof.proven_by_code(request, call, self._mfa, self.writer, self._live.world)
            if not isinstance(row, Changing):
                return await self._decide_here(row, request, call)
            change = await self._have_writer_decide(row, request, call)
        except WireError:
            raise
        except Refusal as refusal:
            await self.records.refusal(call or call_of(incoming, {}), refusal)
            raise errors.on_record(refusal) from None
        except NotFresh:
            raise no_answer.not_fresh() from None
        except Unavailable as fault:
            raise no_answer.vault_away(str(fault)) from None
        except Exception:
            await self.records.failure(call or call_of(incoming, {}))
            raise
        return await self._answer_of_change(row, change)

    async def _with_grants_of(self, tokens: list[str], request: Request, call: Call) -> Request:
        """The request on a live state that has every grant that its tokens name: a token holds its grant's position
        (#grants-only-allow). Raises InvalidGrantToken, CredentialDisabled, CredentialExpired, NotFresh."""
        if max(map(self._maker.position_of, tokens), default=-1) > self._live.position:
            await self._live.barrier()
        return renewed(request, call, self._live.world)

    # -- a call that changes nothing --------------------------------------------------------------------------------

    async def _decide_here(self, row: Unchanging, request: Request, call: Call) -> Answer:
        """Steps 4 to 10. Raises WireError, NotFresh, Unavailable."""
        looks = live_decision.shows_state(row)
        if looks:
            # Whoever looks has often just changed something, by another worker. An allowed use need not wait for that.
            await self._live.barrier()
            request = renewed(request, call, self._live.world)
        self._live.require_fresh()
        decision = await live_decision.decide(row, request, self._live, self._ports)
        if not decision.is_final and (not looks or isinstance(decision.refusal, AliasNotFound)):
            decision = await self._decide_again(row, request, call, decision)
        await next_stage()
        await self.records.make_durable(call, decision.document(), decision.seen, request.at)
        if decision.refusal is not None:
            raise errors.on_record(decision.refusal)
        assert decision.answer is not None, "a call that is not refused has an answer"
        return decision.answer

    async def _decide_again(self, row: Unchanging, request: Request, call: Call, first: LiveDecision) -> LiveDecision:
        """Decide a refused call again: this worker may have been behind. First fold everything that is on the log by now."""
        if isinstance(first.refusal, AliasNotFound):
            await service_keys.make_where_needed(call, request, self._live.world, self._maker, self.writer)
        await self._live.barrier()
        try:
            request = renewed(request, call, self._live.world)
        except Refusal as refusal:
            return LiveDecision(request, self._live.position, [], None, refusal)
        return await live_decision.decide(row, request, self._live, self._ports)

    # -- a call that changes something ------------------------------------------------------------------------------

    async def _have_writer_decide(self, row: Changing, request: Request, call: Call) -> RecordedChange:
        """Steps 4 to 9. Raises WireError, NotFresh, Unavailable; Refusal if the call is refused before it reaches the writer."""
        made = await self._make(row, request, call)
        position, record = await self.writer.decide(call, made)
        return RecordedChange(record.event, self._live.world, record.at, position)

    async def _make(self, row: Changing, request: Request, call: Call) -> Preparation:
        """The ids and key material that the command needs. Material that is costly to make is made only if the caller has
        access on the live state. The writer checks access again."""
        if row.costly and not self._has_access(row, request, call):
            await self._live.barrier()
            request = renewed(request, call, self._live.world)
            if not self._has_access(row, request, call):
                return NOT_PREPARED
        return await row.prepare(request, self._maker)

    def _has_access(self, row: Changing, request: Request, call: Call) -> bool:
        return may_ask(row.command(call.parameters, NotYetPrepared()), request.caller, self._live.world)

    async def _answer_of_change(self, row: Changing, change: RecordedChange) -> Answer:
        """Step 10. Raises WireError."""
        try:
            return row.answer(change) | await row.issue(change, self._maker)
        except Unavailable as fault:
            raise no_answer.vault_away(str(fault)) from None
