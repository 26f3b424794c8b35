"""The records of decisions. An authenticated caller gets no answer before the record exists, and each answer has
exactly one record."""

from __future__ import annotations

from dataclasses import replace

from domain.authorization.caller import Caller
from domain.authorization.verdict import AUTHENTICATION, Verdict
from domain.characters import encodable
from domain.commands.decide import allowed, refused
from domain.errors import NOT_PROVEN, CredentialDisabled, CredentialExpired, InternalFault, Refusal
from domain.log.codec import rfc3339
from domain.log.record import Call, Decision
from domain.ports import TooLarge, Unavailable
from services.adapters import cloudevents
from services.adapters.decisions import DecisionLanes
from services.clock import Clock
from services.kms_api import errors, no_answer
from services.kms_api.decided_record import decided_record
from services.kms_api.errors import WireError
from services.kms_api.live_state import LiveState
from services.traces.tracer import TRACES

NOT_AUTHENTICATED = NOT_PROVEN | {CredentialDisabled.kind, CredentialExpired.kind}
"""The refusals that say that nobody was let in."""


class Records:
    """What this worker appends to `decisions`."""

    def __init__(self, live: LiveState, decisions: DecisionLanes, clock: Clock) -> None:
        self._live = live
        self._decisions = decisions
        self._clock = clock

    async def refusal(self, call: Call, fault: Refusal) -> None:
        """Records a refusal at the door. Raises WireError if the record cannot be made durable. Any other exception is
        a fault of Keytrail, and the call still gets its record."""
        try:
            await self._refusal(call, fault)
        except WireError:
            raise
        except Exception:
            await self.failure(call)
            raise

    async def failure(self, call: Call) -> None:
        """Records a call that failed by a fault of Keytrail. Its parameters are left out: perhaps no record can hold
        them. Raises WireError if the record cannot be made durable."""
        said = replace(call, parameters={}, session=encodable(call.session), via=encodable(call.via))
        await self._refusal(said, InternalFault("The request failed inside the server."))

    async def _refusal(self, call: Call, fault: Refusal) -> None:
        decision = refused(fault)
        if fault.kind in NOT_AUTHENTICATED:
            by = {"kind": AUTHENTICATION, "rule": AUTHENTICATION}
            reason = {"action": call.operation, "resource": call.principal, "effect": "deny", "by": by}
            decision = replace(decision, reasons=(reason,))
        await self.make_durable(call, decision, self._live.position, self._clock.now())

    async def of_access(self, call: Call, fault: Refusal, caller: Caller, verdict: Verdict) -> None:
        """Records a refusal of access to the audit API. Raises WireError."""
        await self.make_durable(call, refused(fault, caller, [verdict]), self._live.position, self._clock.now())

    async def carried_out(self, call: Call, caller: Caller, verdict: Verdict) -> None:
        """Records a request to the audit API that was carried out. Raises WireError."""
        await self.make_durable(call, allowed(caller, [verdict]), self._live.position, self._clock.now())

    async def make_durable(self, call: Call, decision: Decision, seen: int, moment: int) -> None:
        """Makes a decision durable. Raises WireError if that fails, or if the record of an allowed call would be too
        long: then nothing may be answered."""
        at = rfc3339(moment)
        log = self._live.world.log
        try:
            value = decided_record(log, seen, at, call, decision)
            await self._decisions.append(value, cloudevents.of_decision(log, call.id, at))
        except TooLarge:
            if not call.parameters:
                raise
            # The call still gets a record, without the parameters that made it too large.
            fault = errors.RequestTooLarge("What the request says of itself is longer than a record may be.")
            await self.make_durable(replace(call, parameters={}), refused(fault), seen, moment)
            raise errors.on_record(fault) from None
        except Unavailable:
            raise no_answer.not_durable() from None
        if TRACES.tracer is not None:
            TRACES.tracer.decided(call.id, decision.resources)
